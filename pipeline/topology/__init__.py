"""From a container's batches to the sinks' buffers: routes, and the lanes they have for each
container.

Matching is done once per container, when its lanes are bound, and never per line. Read `route`,
`router`, `lanes`, `turns`, `lane`, `step`, `leg`, `holding`, in this order.
"""

from pipeline.model.container import SOURCES
from pipeline.topology.container_lanes import ContainerLanes
from pipeline.topology.lane import Lane
from pipeline.topology.route import Output, Route
from pipeline.topology.router import Router

__all__ = ["SOURCES", "ContainerLanes", "Lane", "Output", "Route", "Router"]

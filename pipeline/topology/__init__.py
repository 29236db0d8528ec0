"""From a container's batches to the sinks' buffers: routes, and their lanes for each container.

Routes are matched once per container, when its lanes are bound, and never per line. Read `route`,
`router`, `container_lanes`, `lane`, `bound_stage`, `held_back`, `stage_budget`, then `outputs`,
`output`, `delivery`.
"""

from pipeline.model.container import SOURCES
from pipeline.topology.container_lanes import ContainerLanes
from pipeline.topology.lane import Lane
from pipeline.topology.route import Route, TakesBatches
from pipeline.topology.router import Router

__all__ = ["SOURCES", "ContainerLanes", "Lane", "Route", "Router", "TakesBatches"]

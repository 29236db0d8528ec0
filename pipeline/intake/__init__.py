"""Runs the configured sources and takes their messages to the lanes.

A message is acknowledged to its peer when all of its entries are settled. How many bytes of
messages may be unacknowledged is limited per source (`in_flight`).
"""

from pipeline.intake.intake import Intake

__all__ = ["Intake"]

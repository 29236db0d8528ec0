"""What stands between a source and the lanes: who is answered when, and what may be on its way."""

from pipeline.intake.intake import Intake

__all__ = ["Intake"]

"""What a run has to have come to: docs/reference/delivery.md as code."""

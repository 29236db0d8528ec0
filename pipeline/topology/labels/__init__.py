"""What containers ask for with their own labels, `dockline.*`, and with those of other tools.

Read `wish`, `own`, `patterns`, then `reader`.
"""

from pipeline.topology.labels.own import NAMES, PREFIX, Name
from pipeline.topology.labels.reader import Honoured, Labels
from pipeline.topology.labels.reported import Reported
from pipeline.topology.labels.tags import Tags
from pipeline.topology.labels.wish import NOTHING, TAG, Asked, Wish, is_label

__all__ = [
    "NAMES",
    "NOTHING",
    "PREFIX",
    "TAG",
    "Asked",
    "Honoured",
    "Labels",
    "Name",
    "Reported",
    "Tags",
    "Wish",
    "is_label",
]

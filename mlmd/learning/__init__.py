"""Learning on the fly: molecular dynamics that trains its own predictor while it runs."""

from mlmd.learning.history import History
from mlmd.learning.ledger import Entry, Ledger, break_even_step
from mlmd.learning.plan import OnTheFlyPlan
from mlmd.learning.records import read_records, write_records
from mlmd.learning.run import OnTheFly
from mlmd.learning.surroundings import Reach, Surroundings
from mlmd.learning.trial import Verdict, try_predictor
from mlmd.learning.watch import Signal, Watch

__all__ = [
    "Entry",
    "History",
    "Ledger",
    "OnTheFly",
    "OnTheFlyPlan",
    "Reach",
    "Signal",
    "Surroundings",
    "Verdict",
    "Watch",
    "break_even_step",
    "read_records",
    "try_predictor",
    "write_records",
]

"""Learning on the fly: molecular dynamics that trains its own predictor while it runs."""

from mlmd.on_the_fly.backend import RunProgress, Surroundings
from mlmd.on_the_fly.cost import Entry, Ledger, break_even_step
from mlmd.on_the_fly.known_steps import History
from mlmd.on_the_fly.loop import OnTheFly
from mlmd.on_the_fly.monitor import Signal, Watch
from mlmd.on_the_fly.plan import OnTheFlyPlan
from mlmd.on_the_fly.records import read_records, write_records
from mlmd.on_the_fly.validation import Verdict, try_predictor

__all__ = [
    "Entry",
    "History",
    "Ledger",
    "OnTheFly",
    "OnTheFlyPlan",
    "RunProgress",
    "Signal",
    "Surroundings",
    "Verdict",
    "Watch",
    "break_even_step",
    "read_records",
    "try_predictor",
    "write_records",
]

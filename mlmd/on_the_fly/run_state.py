"""The state of an on-the-fly run."""

from dataclasses import dataclass

HAMILTONIAN, LEARNED = "hamiltonian", "learned"
"""The two phases of a run: who kicks."""


@dataclass
class Standing:
    """Where a run stands, in plain values.

    Attributes:
        phase: "hamiltonian" or "learned".
        until: step at which the Hamiltonian stretch ends; None where it lasts to the end of the run.
        n_rounds: trainings so far.
        predictor: number of the training whose predictor kicks; 0 where none does.
        n_fallbacks: how often the Hamiltonian took over again.
        takeover_step: first step that ML kicked; None before.
        saved_step: of the last save.
    """

    phase: str
    until: int | None
    n_rounds: int = 0
    predictor: int = 0
    n_fallbacks: int = 0
    takeover_step: int | None = None
    saved_step: int = 0

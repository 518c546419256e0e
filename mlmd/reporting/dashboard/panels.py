"""The dashboard as plain data: which panel shows which of the names that a run logs.

The script that builds it with W&B's package and the test that reads a run's file back use the same table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlmd.reporting.tracker_tables import REFERENCE, TIME_KEY, curve_key

Kind = Literal["line", "bar", "scatter", "table", "chart", "image"]
"""line: over time or epochs. bar, scatter: final numbers. table, chart: of a logged table. image: a figure."""

SCHEDULES = ("never", "every_1000", "every_100", "every_100_anchored")
"""Those of ``rollout=default``."""

BEST_SCHEDULE = "every_100_anchored"
"""The one that stands for a model where models are compared."""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows, with the unit.
        kind: how.
        keys: logged names; the table's for a chart.
        x: the name on the axis of a line or scatter.
        log_y: logarithmic.
        group_by: name in the run's configuration that bars are gathered by.
    """

    title: str
    kind: Kind
    keys: tuple[str, ...]
    x: str | None = None
    log_y: bool = False
    group_by: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """All names that have to be logged for it."""
        return self.keys if self.x is None else (self.x, *self.keys)


@dataclass(frozen=True)
class Section:
    """Panels that answer one question.

    Attributes:
        name: heading.
        question: in one sentence.
        panels: in order.
    """

    name: str
    question: str
    panels: tuple[Panel, ...]


def dashboard(schedules: Sequence[str] = SCHEDULES) -> tuple[Section, ...]:
    """The sections, for runs that are judged under these schedules.

    >>> [section.name for section in dashboard()]
    ['Training', 'Rollout stability', 'Structure and dynamics', 'Cost', 'Comparison']
    """
    return (
        _training(schedules),
        _stability(schedules),
        _structure_and_dynamics(schedules),
        _cost(schedules),
        _comparison(BEST_SCHEDULE if BEST_SCHEDULE in schedules else schedules[-1]),
    )


def rows(sections: Sequence[Section]) -> Iterator[tuple[str, str, str, str]]:
    """Section, panel, kind and names, for a table of the dashboard."""
    for section in sections:
        for panel in section.panels:
            yield section.name, panel.title, panel.kind, "\n".join(panel.reads)


def _scores(schedules: Sequence[str], quantity: str) -> tuple[str, ...]:
    return tuple(f"rollout/{name}/{quantity}" for name in schedules)


def _over_time(title: str, names: Sequence[str], *quantities: str, log_y: bool = False) -> Panel:
    keys = tuple(curve_key(name, quantity) for quantity in quantities for name in names)
    return Panel(title, "line", keys, x=TIME_KEY, log_y=log_y)


def _training(schedules: Sequence[str]) -> Section:
    validated = tuple(f"val/{name}/energy_error_median" for name in schedules)
    return Section(
        "Training",
        "Does the loss fall, and do rollouts get better with it?",
        (
            Panel("Loss", "line", ("train/loss", "val/loss"), x="epoch", log_y=True),
            Panel("Validation loss over training time (s)", "line", ("val/loss",), x="time/train_s", log_y=True),
            Panel("Velocity accuracy, validation (%)", "line", ("val/velocity_accuracy_percent",), x="epoch"),
            Panel("Energy error of validation rollouts, median", "line", validated, x="epoch", log_y=True),
            Panel("Best validation score", "bar", ("val/best",)),
            Panel("Figures of training", "image", ("figures/loss", "figures/velocity")),
        ),
    )


def _stability(schedules: Sequence[str]) -> Section:
    return Section(
        "Rollout stability",
        "How long does the energy hold under each injection schedule?",
        (
            _over_time("Energy error, median replica", schedules, "energy_error_median", log_y=True),
            _over_time("Energy error, worst replica", schedules, "energy_error_worst", log_y=True),
            _over_time("Potential energy (eV)", (REFERENCE, *schedules), "potential_eV"),
            _over_time("Kinetic energy (eV)", (REFERENCE, *schedules), "kinetic_eV"),
            Panel("Replicas that diverged", "bar", _scores(schedules, "diverged_replicas")),
            Panel("Energy drift (meV/atom/ps)", "bar", _scores(schedules, "energy_drift_meV_per_atom_per_ps")),
            Panel("Scores of all schedules", "table", ("rollout/table",)),
            Panel("Figures of the rollouts", "image", ("figures/energy_error", "figures/rollout")),
        ),
    )


def _structure_and_dynamics(schedules: Sequence[str]) -> Section:
    return Section(
        "Structure and dynamics",
        "Are bond, correlations and momenta right, although they are not predicted?",
        (
            Panel("Velocity autocorrelation function", "chart", ("dynamics/vacf_table",)),
            Panel("Vibrational spectrum", "chart", ("dynamics/spectrum_table",)),
            Panel("VACF error", "bar", _scores(schedules, "vacf_error")),
            Panel("Shift of the vibrational line (cm^-1)", "bar", _scores(schedules, "line_shift_cm1")),
            Panel("Error of the mean bond length (A)", "bar", _scores(schedules, "bond_mean_error_A")),
            Panel("Distance of the bond's distribution (A)", "bar", _scores(schedules, "bond_wasserstein_A")),
            Panel("Angular momentum error", "bar", _scores(schedules, "angular_momentum_error")),
            Panel("Figures of bond and dynamics", "image", ("figures/bond", "figures/dynamics")),
        ),
    )


def _cost(schedules: Sequence[str]) -> Section:
    return Section(
        "Cost",
        "What did it take?",
        (
            Panel("Wall-clock time (s)", "bar", ("cost/train_s", "cost/total_s")),
            Panel("Wall-clock time of a rollout (s)", "bar", tuple(f"cost/rollout_{name}_s" for name in schedules)),
            Panel("Force calls of training data", "bar", ("cost/data_force_calls",)),
            Panel("Force calls of a rollout", "bar", _scores(schedules, "force_calls")),
            Panel("Injections per step", "bar", _scores(schedules, "frequency")),
            Panel("Peak memory (MB)", "bar", ("cost/peak_memory_MB",)),
        ),
    )


def _comparison(schedule: str) -> Section:
    accuracy, error = "test/velocity_accuracy_percent", f"rollout/{schedule}/energy_error_median"
    return Section(
        "Comparison",
        "Which model, on which molecule, at which energy?",
        (
            Panel("Accuracy by model (%)", "bar", (accuracy,), group_by="labels.model"),
            Panel("Accuracy by molecule (%)", "bar", (accuracy,), group_by="labels.system"),
            Panel(f"Energy error by model, {schedule}", "bar", (error,), group_by="labels.model"),
            Panel(f"Energy error by molecule, {schedule}", "bar", (error,), group_by="labels.system"),
            Panel("Rollout against one step", "scatter", (error,), x="test/velocity_mae_A_per_fs", log_y=True),
            Panel("Accuracy per molecule, model and energy", "table", ("test/accuracy_table",)),
        ),
    )

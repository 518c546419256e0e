"""All experiments, in the order in which their runs depend on one another."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.study.runs import Run
from experiments.study.sweeps import Sweep
from mlmd.reporting.page import Part

ONE_OF_EACH = ("seed=1",)
PLAIN = "model.shortcut=false"
HARMONIC = ("hamiltonian=harmonic", "regime=vibrating")
MORSE = ("hamiltonian=morse", "regime=thermal")
CARRIED = ("memory=carried", "memory.length=null")
FAST_ROLLOUTS = ("rollout.n_steps=400", "rollout.n_replicas=4", *ONE_OF_EACH)


SMALL_TRAINING = (
    "trainer.max_epochs=1",
    "data.batches.batch_size=32",
    "data.batches.batches_per_epoch=300",
)
"""For forces so cheap that a training costs as much as thousands of them."""
MOLECULES = (
    "regime=thermal",
    "n_replicas=8",
    "n_steps=50000",
    "reference_steps=46000",
    "trainer.max_epochs=8",
    "optimizer.learning_rate=0.05",
    "data.batches.batch_size=128",
    "on_the_fly.first_steps=4000",
    "on_the_fly.disagreement=0.2",
    "on_the_fly.energy_band=0.1",
)
"""20 ps and more of several replicas; the bands are those of the worst of them."""
LARGER_BEFOREHAND = ("data.trajectories.n_train=128", "rollout.n_steps=12500", "rollout.n_replicas=4")
LARGER_ON_THE_FLY = (*MOLECULES, "n_replicas=4", "n_steps=16500", "reference_steps=12500")
"""5 ps: how far it goes shows earlier."""
FAST_LEARNING = (
    "n_steps=700",
    "reference_steps=300",
    "trainer.max_epochs=1",
    "data.batches.batch_size=32",
    "data.batches.batches_per_epoch=50",
    "on_the_fly.first_steps=300",
    "on_the_fly.held_out_steps=60",
    "on_the_fly.validation_steps=40",
    "on_the_fly.fallback_steps=100",
    "on_the_fly.validation_error=0.5",
)


@dataclass(frozen=True)
class Experiment:
    """One question.

    Attributes:
        name: of its folder here, and of the folder of its runs.
        sweeps: its runs.
    """

    name: str
    sweeps: tuple[Sweep, ...]

    @property
    def collect(self) -> Callable[[list[Run], Path], list[Part]]:
        """Its aggregation: csv files, README tables and figures into a folder; it returns its parts of the page."""
        function: Callable[[list[Run], Path], list[Part]] = importlib.import_module(
            f"experiments.{self.name}.collect"
        ).collect
        return function


def _injection(*overrides: str) -> Sweep:
    return Sweep("injection", overrides, FAST_ROLLOUTS)


def _ladder(*overrides: str, fast: tuple[str, ...] = ("model=DuR0",)) -> tuple[Sweep, Sweep]:
    """The harmonic rungs, and the Morse bond."""
    return (
        Sweep("ladder", overrides, (*ONE_OF_EACH, *fast, "regime=vibrating")),
        Sweep("ladder", (*overrides, *MORSE), (*ONE_OF_EACH, *fast)),
    )


def _history(*overrides: str) -> tuple[Sweep, Sweep]:
    """Windows, and carried memory beside them."""
    fast = (*ONE_OF_EACH, "system=HCl")
    return (
        Sweep("history_length", overrides, (*fast, "memory.length=2,6")),
        Sweep("history_length", (*overrides, *CARRIED), fast),
    )


def _on_the_fly(*overrides: str, in_fast: bool = True) -> Sweep:
    return Sweep("speedup", overrides, FAST_LEARNING, program="simulate.py", in_fast=in_fast)


EXPERIMENTS = (
    Experiment("force_field_table", ()),
    Experiment(
        "accuracy",
        (
            Sweep("accuracy", (), ("system=HCl,CO", "model=3vR0,DuR0", "regime.vibrational_energy_kT=10")),
            Sweep("accuracy", ("seed=2,3", "regime.vibrational_energy_kT=10"), ("seed=2", "system=HCl", "model=DuR0")),
            Sweep("accuracy_morse", (), ("system=HCl", *ONE_OF_EACH)),
        ),
    ),
    Experiment(
        "ladder",
        (
            *_ladder("model=3vR0,3uR0,DuR0", PLAIN),
            *_ladder("model=DuR0"),
            *_ladder("model=3uR0", "model.frame=molecule", fast=()),
        ),
    ),
    Experiment(
        "divergence",
        (
            Sweep("divergence", (), (*ONE_OF_EACH, "model=DuR0", "trainer.max_epochs=2")),
            Sweep(
                "divergence",
                ("optimizer=soap", "trainer.max_epochs=4", "retraining.rounds=3"),
                (*ONE_OF_EACH, "model=DuR0", "trainer.max_epochs=2", "retraining.rounds=1"),
            ),
        ),
    ),
    Experiment(
        "injection",
        (
            _injection(),
            _injection("model=held"),
            _injection("model=linear"),
            _injection(*HARMONIC, PLAIN, "retraining.rounds=3"),
            _injection(*HARMONIC, PLAIN, "optimizer=adam", "trainer.max_epochs=8"),
        ),
    ),
    Experiment(
        "own_model",
        (Sweep("own_model", (), ("seed=11", "data.batches.noise=0.003", "rollout.n_steps=400")),),
    ),
    Experiment("conservation", (Sweep("conservation", (), ("rollout.n_steps=1000", *ONE_OF_EACH)),)),
    Experiment(
        "delayed_activation",
        (
            Sweep(
                "delayed_activation",
                (
                    "checkpoint={runs}/divergence/HCl-DuR0-adam-12epochs-retrained0-seed1,"
                    "{runs}/accuracy/HCl-DuR0-morse-300.0K-seed1",
                ),
                (
                    "checkpoint={runs}/divergence/HCl-DuR0-adam-2epochs-retrained0-seed1,"
                    "{runs}/accuracy/HCl-DuR0-morse-300.0K-seed1",
                    "injection=never",
                    "start_step=32,44",
                    "n_replicas=4",
                    "n_steps=444",
                ),
                program="simulate.py",
            ),
        ),
    ),
    Experiment(
        "history_length",
        (
            *_history(),
            *_history("system=H2,N2,CO,Cl2,I2", "seed=1"),
            *_history("system=HCl", *MORSE),
            *_history("system=HCl", "system.dt_fs=0.25"),
        ),
    ),
    Experiment(
        "polyatomics",
        (
            Sweep(
                "polyatomics",
                (),
                ("system=CO2", *ONE_OF_EACH, "data.trajectories.n_train=16", *FAST_ROLLOUTS, "rollout.energy_every=5"),
            ),
            Sweep("polyatomics", ("system=NH3,CH4,ethanol", *LARGER_BEFOREHAND), in_fast=False),
        ),
    ),
    Experiment(
        "speedup",
        (
            _on_the_fly("hamiltonian=b3lyp", in_fast=False),
            _on_the_fly("hamiltonian=hf", "system=HCl,CO,N2", *SMALL_TRAINING, in_fast=False),
            _on_the_fly("hamiltonian=gfn2", "system=H2O,CO2", *MOLECULES, in_fast=False),
            _on_the_fly("hamiltonian=gfn2", "system=NH3,CH4,ethanol", *LARGER_ON_THE_FLY, in_fast=False),
            _on_the_fly("hamiltonian=morse,harmonic"),
        ),
    ),
)

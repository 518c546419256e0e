"""Predictors of training runs."""

from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.md.verlet import VelocityVerlet
from cli.running import trained_run

from mlmd.ase import MLMD, load_predictor
from mlmd.propagation import EnergyAnchor, Injection, Periodic


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    return trained_run(tmp_path_factory.getbasetemp())


def followed(dynamics, n_steps):
    atoms, seen = dynamics.atoms, []
    dynamics.attach(lambda: seen.append(atoms.get_positions()))
    dynamics.run(n_steps)
    return np.array(seen)


def test_a_run_is_a_predictor(trained, make_atoms, hcl_morse):
    predictor = load_predictor(trained)
    assert predictor.spec.variant == "DuR0"
    assert not predictor.training
    runs = [
        followed(MLMD(make_atoms(hcl_morse), 0.5 * units.fs, given, start_step=40), 200)
        for given in (trained, str(trained / "best.ckpt"), predictor)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])


def test_a_trained_predictor_stays_near_the_truth_at_few_calls(trained, make_atoms, hcl_morse):
    ours, theirs = make_atoms(hcl_morse), make_atoms(hcl_morse)
    anchored = Injection(Periodic(0.02), EnergyAnchor())
    dynamics = MLMD(ours, 0.5 * units.fs, trained, injection=anchored, start_step=100, energy_zero_eV=0.0)
    bonds = [
        np.linalg.norm(positions[:, 1] - positions[:, 0], axis=-1)
        for positions in (followed(dynamics, 1000), followed(VelocityVerlet(theirs, 0.5 * units.fs), 1000))
    ]
    assert dynamics.n_force_calls == 18
    assert ours.calc.n_calculations == 118
    print(bonds[0].mean(), bonds[1].mean(), bonds[0].std(), bonds[1].std())
    assert abs(bonds[0].mean() - bonds[1].mean()) < 0.01
    assert bonds[0].std() == pytest.approx(bonds[1].std(), rel=0.2)

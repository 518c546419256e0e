"""What a judged run leaves is read back as it was, and refused in one line when it is damaged."""

import json
import math
import re

import pytest
import torch

from mlmd.errors import DataError
from mlmd.evaluation import (
    ReplicaRow,
    evaluate_rollouts,
    read_curves,
    read_replicas,
    replica_rows,
    write_curves,
    write_replicas,
)
from mlmd.observables import line_position_cm1
from mlmd.state import Trajectory

RUN = {"system": "HCl", "n_replicas": 3, "seed": 1}


@pytest.fixture(scope="module")
def curves(hcl_morse, hcl_harmonic, reference):
    """Of a rollout whose replica 1 is lost, and of one that is exact."""
    true, shaken = reference(hcl_morse, 700), reference(hcl_harmonic, 700)
    lost = Trajectory(shaken.steps, shaken.positions.clone(), shaken.velocities.clone(), shaken.kicks)
    lost.positions[1, 500:] = math.nan
    return evaluate_rollouts(
        {"f = 0": lost, "always": true},
        true,
        lambda positions: hcl_morse.hamiltonian.energy_and_forces(positions)[0],
        masses=hcl_morse.masses(),
        dt_fs=0.5,
        period_fs=hcl_morse.period_fs,
    ).curves


@pytest.fixture
def written(curves, tmp_path):
    path = tmp_path / "curves.json"
    write_curves(path, curves, run=RUN, period_fs=11.15)
    return path


def near(tensor):
    return pytest.approx(tensor.tolist(), rel=1e-6, abs=1e-300)


def test_curves_are_read_back(curves, written):
    read = read_curves(written)
    assert (read["run"], read["period_fs"], list(read["schedules"])) == (RUN, 11.15, ["f = 0", "always"])
    assert read["time_ps"] == near(curves.energy_ref.time_ps)
    assert read["lag_fs"] == near(curves.lag_fs)
    assert read["bond_edges_A"] == near(curves.bond_ref.edges)
    assert read["bond_time_fs"] == near(curves.bond_ref.time_fs)
    for name, entry in (("always", read["schedules"]["always"]), (None, read["reference"])):
        bond, dynamics = (
            (curves.bond_ref, curves.dynamics_ref) if name is None else (curves.bonds[name], curves.dynamics[name])
        )
        energies = curves.energy_ref if name is None else curves.energies[name]
        assert entry["bond_A"] == near(bond.lengths)
        assert entry["bond_density_per_A"] == near(bond.density)
        assert entry["vacf"] == near(dynamics.correlation)
        for word, values in (("potential_eV", energies.potential), ("kinetic_eV", energies.kinetic)):
            assert entry[word]["median"] == near(values.median(dim=0).values)
            assert entry[word]["lowest"] == near(values.amin(dim=0))
            assert entry[word]["highest"] == near(values.amax(dim=0))
    assert read["schedules"]["always"]["n_diverged"] == 0


def test_the_spectrum_is_kept_around_the_line(curves, written):
    read = read_curves(written)
    line = line_position_cm1(curves.wavenumbers, curves.dynamics_ref.power)
    kept = torch.tensor(read["wavenumber_cm1"])
    assert kept[0] < line < kept[-1]
    assert len(kept) < len(curves.wavenumbers)
    top = int(torch.tensor(read["reference"]["power"]).argmax())
    assert abs(float(kept[top]) - line) <= float(kept[1] - kept[0])


def test_a_replica_that_diverged_has_no_error_and_no_energy(written):
    lost = read_curves(written)["schedules"]["f = 0"]
    assert lost["n_diverged"] == 1
    errors = lost["energy_error"]
    assert errors["highest"][-1] is None
    assert errors["q90"][-1] is None
    assert all(isinstance(errors[word][-1], float) for word in ("median", "lowest", "q10"))
    assert all(
        isinstance(value, float) for word in ("median", "lowest", "highest") for value in lost["potential_eV"][word]
    )


def test_numbers_are_short_and_finite(written):
    text = written.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert max(len(number.replace(".", "").lstrip("-0")) for number in re.findall(r"-?\d+\.\d+", text)) <= 7


def changed(change):
    def write(path):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return write


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "it is truncated or damaged; evaluate the run again"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "it is truncated or damaged"),
        (lambda path: path.write_text("[]"), "it is not a curves.json of mlmd"),
        (lambda path: path.unlink(), "there is no such file"),
        (changed(lambda content: content.update(format_version=2)), "its format version 2 is newer than the 1"),
        (changed(lambda content: content.pop("lag_fs")), r"damaged \('lag_fs'\)"),
        (changed(lambda content: content["reference"]["vacf"].pop()), "vacf of reference has 349 numbers, not 350"),
        (changed(lambda content: content["schedules"]["always"].update(power="x")), "power is not a list of numbers"),
        (changed(lambda content: content.update(schedules=3)), "is damaged"),
    ],
)
def test_damaged_curves_are_refused_in_one_line(written, damage, words):
    damage(written)
    with pytest.raises(DataError, match=words) as refused:
        read_curves(written)
    assert str(refused.value).startswith(f"cannot read {written}: ")
    assert "\n" not in str(refused.value)


def test_replicas_are_read_back(curves, tmp_path):
    rows = replica_rows(curves, {"f = 0": {1: 500}, "always": {}})
    assert [(row.schedule, row.replica) for row in rows] == [(n, k) for n in ("f = 0", "always") for k in range(3)]
    assert [row.diverged_at_step for row in rows] == [None, 500, None, None, None, None]
    assert [row.energy_error is None for row in rows] == [False, True, False, False, False, False]
    assert [row.bond_length_A for row in rows[:3]] == near(curves.start.bond_length)
    assert [row.bond_velocity_A_per_fs for row in rows[3:]] == near(curves.start.bond_velocity)
    assert [row.reference_energy_eV for row in rows[3:]] == near(curves.start.energy)
    write_replicas(tmp_path / "replicas.csv", rows)
    assert read_replicas(tmp_path / "replicas.csv") == rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "its first line is not schedule,replica"),
        ("{header}\na,b,,,1,1,1", "invalid literal"),
        ("{header}\na,0,1e-3", "not enough values"),
        ("{header}\na,0,x,,1,1,1", "could not convert"),
    ],
)
def test_damaged_replicas_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "replicas.csv"
    path.write_text(content.format(header=",".join(ReplicaRow.__dataclass_fields__)))
    with pytest.raises(DataError, match=words) as refused:
        read_replicas(path)
    assert str(refused.value).startswith(f"cannot read {path}: it is damaged")

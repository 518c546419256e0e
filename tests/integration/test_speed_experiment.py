"""The speed experiment: its fast form runs, its files hold what it promises, its arithmetic is right."""

import csv
import doctest
import gc
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from cli.running import ROOT

from mlmd.propagation import EagerEngine, Propagator, reference_dynamics

FOLDER = ROOT / "experiments" / "speed"
TIMES = {"median_us", "lower_quartile_us", "upper_quartile_us", "min_us", "max_us", "n_repeats", "samples_us"}
PROMISED = {
    "floors": {"quantity", "device", "threads", "what", "value", "unit"},
    "engines": {"case", "hidden_size", "n_replicas", "engine", "device", "threads", "stretch_steps"} | TIMES,
    "injections": {"what", "schedule", "n_replicas", "engine", "threads"} | TIMES,
    "hamiltonians": {"name", "kind", "molecule", "n_replicas", "unit"} | TIMES,
    "scaling": {"axis", "value", "n_replicas", "engine"} | TIMES,
    "accuracy": {"case", "seed", "train_to_99.9_s", "command_to_99.9_s", "train_to_99.99_s", "train_s", "command_s"},
    "accuracy_curves": {"case", "seed", "epoch", "train_seconds", "accuracy_percent"},
}


def _run(*arguments: str | Path) -> str:
    command = [sys.executable, str(FOLDER / "run.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """The folder of one fast run; PySCF and tblite may be there or not."""
    folder = tmp_path_factory.mktemp("speed")
    options = ("--engines", "eager", "--cases", "default", "--repeats", "2", "--sample-s", "0.002")
    _run("--fast", "--out", folder, *options)
    return folder


@pytest.fixture(scope="module")
def module() -> Any:
    """Imports a module of the experiment, whose folder is on the path for so long."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))


Import = Callable[[str], ModuleType]


def test_every_part_leaves_its_columns(measured):
    for part, columns in PROMISED.items():
        rows = _rows(measured / f"{part}.csv")
        assert rows, part
        assert columns <= rows[0].keys(), part
        for row in rows if "median_us" in columns else []:
            samples = [float(sample) for sample in row["samples_us"].split()]
            assert len(samples) == int(row["n_repeats"]) == 2, row
            assert 0.0 < float(row["min_us"]) <= float(row["median_us"]) <= float(row["max_us"])
            assert float(row["median_us"]) == pytest.approx(sum(samples) / 2, rel=1e-3)


def test_every_case_is_measured(measured):
    engines = {(row["case"], row["n_replicas"], row["engine"]) for row in _rows(measured / "engines.csv")}
    assert {("DuR0 2x32", "1", "eager"), ("DuR0 2x32", "64", "eager"), ("3vR0 2x32", "1", "eager")} == engines
    schedules = {row["schedule"] for row in _rows(measured / "injections.csv")} - {""}
    assert schedules == {"never", "every_100", "every_100_anchored", "always", "always_anchored"}
    assert {"sgemm", "copy"} <= {row["quantity"] for row in _rows(measured / "floors.csv")}
    names = {row["name"] for row in _rows(measured / "hamiltonians.csv")}
    assert {"MLMD, eager", "Verlet, mlmd", "Verlet, NumPy", "ASE, Morse", "ASE, Lennard-Jones", "ASE, EMT"} <= names
    axes = {row["axis"] for row in _rows(measured / "scaling.csv")}
    assert axes == {"atoms", "replicas", "layers", "hidden", "window"}


def test_the_default_run_reaches_its_accuracy_with_the_first_validation(measured):
    (row,) = _rows(measured / "accuracy.csv")
    (validation,) = _rows(measured / "accuracy_curves.csv")
    assert float(validation["accuracy_percent"]) > 99.99
    assert float(row["train_to_99.99_s"]) == pytest.approx(float(validation["train_seconds"]), abs=0.01)
    assert 0.0 < float(row["train_to_99.9_s"]) < float(row["command_to_99.9_s"]) < float(row["command_s"])


def test_page_and_figures_come_from_the_csv_files(measured, tmp_path):
    rows = _rows(measured / "engines.csv")
    rows[0]["median_us"] = "123456"
    with (tmp_path / "engines.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    _run("--collect", "--out", tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "123,000 (" in page
    assert "### Engines" in page
    assert "### True forces" not in page
    assert [path.name for path in tmp_path.glob("*.png")] == ["engines.png"]
    whole = (measured / "README.md").read_text(encoding="utf-8")
    for heading in ("Engines", "Best rates", "Whole runs", "True forces", "How a learned step", "Time to an accuracy"):
        assert f"### {heading}" in whole
    assert "fast form: not worth quoting" in whole
    assert len(list(measured.glob("*.png"))) == 4


def test_independent_verlets_agree_with_the_reference(module: Import):
    """Three codes, 200 steps of 64 replicas; round-off grows along the way."""
    cases, verlet, hamiltonians = (module(name) for name in ("cases", "verlet", "hamiltonians"))
    system = cases.make_system(cases.Case())
    positions, velocities = cases.draw(cases.Case(), system, 64)
    trajectory = Propagator.begin(reference_dynamics(system), positions, velocities).advance(201)
    for propagate in (verlet.numpy_verlet, verlet.compiled_verlet()):
        r, v = propagate(hamiltonians.morse_of(system), positions.numpy(), velocities.numpy(), 200)
        np.testing.assert_allclose(r, trajectory.positions[:, 200].numpy(), atol=1e-10)
        np.testing.assert_allclose(v, trajectory.velocities[:, 200].numpy(), atol=1e-10)


@pytest.mark.parametrize("shape", [{}, {"n_layers": 3, "hidden_size": 7}, {"variant": "3vR0", "n_atoms": 5}])
def test_counted_products_are_those_of_the_network(module: Import, shape):
    cases = module("cases")
    case = cases.Case(**shape)
    network = cases.make_predictor(case, cases.make_system(case)).network
    matrices = [weight for weight in network.parameters() if weight.dim() == 2]
    assert case.macs == sum(weight.numel() for weight in matrices)
    assert case.weight_bytes == sum(weight.numel() * weight.element_size() for weight in matrices)


@pytest.mark.parametrize("variant", ["DuR0", "3vR0"])
def test_the_network_contributes_and_the_rollout_stays_bounded(module: Import, variant):
    cases, contenders = module("cases"), module("contenders")
    rollout = cases.make_rollout(cases.Case(variant), 8)
    assert rollout.predictor.scaling.n_learned == rollout.predictor.scaling.basis.shape[0]
    entry = contenders.Entry("eager", "cpu", 1, EagerEngine)
    ends = []
    for silent in (False, True):
        if silent:
            torch.nn.init.zeros_(rollout.predictor.network.head.weight)
        stretch = contenders.LearnedStretch(rollout, entry, sample_s=0.05)
        stretch.stretch_steps, stretch.n_stretches = 99, 3
        stretch.begin_again()
        stretch.work()
        stretch.check()
        ends.append(stretch.state.positions)
    assert not torch.equal(*ends)


def test_the_stopwatch_takes_turns_without_the_collector(module: Import):
    timing = module("timing")
    seen: list[str] = []

    def work(name: str) -> Callable[[], None]:
        return lambda: seen.append(f"{name}{gc.isenabled():d}")

    contenders = {name: timing.Contender(work(name), n_units=4) for name in "AB"}
    samples = timing.in_turns(contenders, n_repeats=3)
    assert seen == ["B0", "A0", "A0", "B0", "B0", "A0", "A0", "B0"]
    assert gc.isenabled()
    assert [len(times) for times in samples.values()] == [3, 3]
    assert timing.statistics_of([4.0, 1.0, 2.0, 3.0, 10.0])["median_us"] == 3.0


def test_floors_by_hand(module: Import):
    """1 GFLOP/s makes 2 ns a multiply-add; 1 GB/s makes 1 ns a byte."""
    cases, floors = module("cases"), module("floors")
    place = {"device": "cpu", "threads": 1}
    rates = [("sgemm", "1024x35x128", 1.0), ("sgemm", "1024x64x128", 0.5), ("copy", f"{floors.COPY_BYTES} bytes", 1.0)]
    measured = floors.Floors([{"quantity": kind, "what": what, "value": value, **place} for kind, what, value in rates])
    case = cases.Case()
    n_macs = (35 + 64) * 128 + 32
    assert case.macs == n_macs
    assert measured.products_us(case, 1024, "cpu", 1) == pytest.approx(2e-3 * n_macs * 1024)
    assert measured.same_shapes_us(case, 1024, "cpu", 1) == pytest.approx(2e-3 * 1024 * 128 * (35 + 2 * 64))
    assert measured.same_shapes_us(case, 64, "cpu", 1) is None
    state_bytes = 4 * 2 * 2 * 32 + 8 * (12 + 1)  # h and c of two layers; r, v and one update
    least, streamed = measured.traffic_us(case, 2**20, "cpu", 1, steps=99, stride=10)
    frames = 3 * 8 * 6 / 10
    assert least == pytest.approx(1e-3 * 2**20 * (2 * state_bytes / 99 + frames))
    assert streamed == pytest.approx(1e-3 * (2**20 * (2 * state_bytes + frames) + 4 * n_macs))
    assert measured.weights_us(case) is None


def test_slopes_of_power_laws(module: Import):
    scaling = module("scaling")
    rows = [
        {"value": n, "median_us": 3.0 * n**1.5, "samples_us": f"{3.0 * n**1.5} {5.0 * n**1.25}"} for n in (1, 2, 4, 8)
    ]
    median, least, greatest, last = scaling.slopes(rows)
    assert (least, greatest, median, last) == pytest.approx((1.25, 1.5, 1.375, 1.5))


def test_packages_that_are_missing_are_left_out_with_a_line(module: Import, capsys):
    def missing() -> None:
        raise ImportError

    wanted = {("PySCF", "HF/STO-3G", "HCl"): missing}
    assert module("hamiltonians")._force_calls(wanted, 0.001) == {}
    assert "PySCF is left out, it is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["tables", "machine"])
def test_examples_in_docstrings(module: Import, name):
    results = doctest.testmod(module(name))
    assert results.attempted > 0
    assert results.failed == 0

"""A file from a stranger runs no code: what it names is made only if mlmd ships it or the user trusts it."""

import os
import threading
from pathlib import Path

import h5py
import pytest
import torch
import yaml

from cli.running import FAST, SHORT, TO_LEARN
from mlmd.cli.trust import names_to_trust, require_trusted, trusted_by
from mlmd.errors import ConfigError, DataError
from mlmd.hamiltonians import require_calculator_class

MARK = "it-ran"
"""A file in the working directory that each attack would make."""

ASE = "mlmd.hamiltonians.AseMethod"

ATTACKS = {
    "a command as calculator": (
        "hamiltonian",
        {"_target_": ASE, "calculator": "os.system", "arguments": {"command": f"touch {MARK}"}},
        "os.system",
    ),
    "a function that Hydra does not block": (
        "regime",
        {"_target_": "pathlib.Path.write_text", "self": {"_target_": "pathlib.Path", "_args_": [MARK]}, "data": "x"},
        "pathlib.Path.write_text",
    ),
    "a file that is unpickled": (
        "regime",
        {"_target_": "numpy.load", "file": "stranger.npy", "allow_pickle": True},
        "numpy.load",
    ),
    "code inside an argument": (
        "hamiltonian",
        {"_target_": ASE, "calculator": "ase.calculators.emt.EMT", "arguments": {"_target_": "os.mkdir", "path": MARK}},
        "os.mkdir",
    ),
    "code inside a list": (
        "regime",
        {"_target_": "mlmd.systems.ThermalRegime", "temperature_K": [{"_target_": "os.mkdir", "path": MARK}]},
        "os.mkdir",
    ),
    "an alias of mlmd's own modules": (
        "regime",
        {"_target_": "mlmd.files.os.mkdir", "path": MARK},
        "mlmd.files.os.mkdir",
    ),
    "a class of mlmd for another purpose": (
        "regime",
        {"_target_": "mlmd.hamiltonians.PySCF"},
        "mlmd.hamiltonians.PySCF",
    ),
}


@pytest.fixture
def stranger(trained, tmp_path):
    """A checkpoint whose configuration is a stranger's."""

    def make(key: str, node: object) -> Path:
        checkpoint = torch.load(trained / "best.ckpt", weights_only=True)
        checkpoint["mlmd"]["config"][key] = node
        torch.save(checkpoint, tmp_path / "stranger.ckpt")
        return tmp_path / "stranger.ckpt"

    return make


def refused(ended, *words: str) -> None:
    assert ended.code == 2, ended.out + ended.err
    assert ended.err.count("\n") == 1
    for word in words:
        assert word in ended.err
    assert not Path(MARK).exists()


@pytest.mark.parametrize(("key", "node", "name"), ATTACKS.values(), ids=ATTACKS)
def test_a_checkpoint_runs_no_code(key, node, name, stranger, cli):
    ended = cli("simulate", f"checkpoint={stranger(key, node)}", *SHORT)
    refused(ended, f"stranger.ckpt names {name} for {key}", f"add trust={name}")


@pytest.mark.parametrize(("key", "node", "name"), ATTACKS.values(), ids=ATTACKS)
def test_the_folder_of_a_run_runs_no_code(key, node, name, trained, tmp_path, cli):
    folder = tmp_path / "run"
    folder.mkdir()
    config = yaml.safe_load((trained / "config.yaml").read_text())
    del config["checksum"]  # as a stranger would
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {key: node, "trust": name}))
    (folder / "last.ckpt").write_bytes((trained / "last.ckpt").read_bytes())
    refused(cli("train", f"resume={folder}"), f"config.yaml names {name} for {key}", f"add trust={name}")


def test_a_trusted_calculator_has_to_be_one(stranger, cli):
    key, node, name = ATTACKS["a command as calculator"]
    ended = cli("simulate", f"checkpoint={stranger(key, node)}", *SHORT, f"trust={name}")
    refused(ended, "calculator 'os.system' is no calculator class of ASE")


def test_a_stored_configuration_is_resolved(stranger, cli):
    node = {"_target_": "mlmd.systems.ThermalRegime", "temperature_K": "${oc.env:HOME}"}
    refused(cli("simulate", f"checkpoint={stranger('regime', node)}", *SHORT), "regime.temperature_K has no place in")
    node = {"_target_": "mlmd.systems.ThermalRegime", "_args_": [300.0]}
    refused(cli("simulate", f"checkpoint={stranger('regime', node)}", *SHORT), "regime._args_ has no place in")


def test_what_is_trusted_is_made(monkeypatch):
    node = {"_target_": ASE, "calculator": "ase.calculators.tip3p.TIP3P", "arguments": {"_target_": "builtins.dict"}}
    config = {"hamiltonian": node, "regime": {"_target_": "my_parts.Cold"}}
    assert names_to_trust(config) == ["ase.calculators.tip3p.TIP3P", "my_parts.Cold"]
    require_trusted(config, "best.ckpt", trusted=names_to_trust(config))
    with pytest.raises(DataError, match=r"best\.ckpt names my_parts\.Cold for regime"):
        require_trusted(config, "best.ckpt", trusted=["ase.calculators.tip3p.TIP3P"])


def test_a_calculator_is_a_class_of_ase():
    require_calculator_class("ase.calculators.emt.EMT")
    for path in ("os.system", "ase.build.molecule", "ase.Atoms"):
        with pytest.raises(ConfigError, match=f"calculator '{path}' is no calculator class of ASE"):
            require_calculator_class(path)


def test_a_configuration_folder_of_the_command_line_is_trusted(tmp_path):
    (tmp_path / "regime").mkdir()
    (tmp_path / "regime" / "cold.yaml").write_text("_target_: my_parts.Cold\n")
    assert trusted_by(["a.B"], [tmp_path]) == ["a.B", "my_parts.Cold"]
    assert trusted_by("a.B", []) == ["a.B"]
    assert trusted_by(None, []) == []
    with pytest.raises(ConfigError, match="trust = 3 must be a dotted path"):
        trusted_by(3, [])


@pytest.mark.parametrize("name", ["../../escape", "/escape", ".", "a/b", "..", "\\escape", "a\nb", "x" * 81])
def test_a_name_does_not_leave_the_outputs(name, cli):
    before = set(Path.cwd().parent.rglob("*"))
    quoted = '"' + name.replace("\\", "\\\\").replace("\n", "\\n") + '"'
    ended = cli("train", *FAST, *TO_LEARN, f"system.name={quoted}")
    assert ended.code == 2, ended.err
    assert set(Path.cwd().parent.rglob("*")) == before


def test_the_name_in_a_stranger_s_folder_does_not_leave_the_outputs(trained, tmp_path, cli):
    folder = tmp_path / "stranger"
    folder.mkdir()
    config = yaml.safe_load((trained / "config.yaml").read_text())
    config["system"]["name"] = "../../../escape"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "best.ckpt").write_bytes((trained / "best.ckpt").read_bytes())
    ended = cli("simulate", f"checkpoint={folder}", *SHORT, "figures=false", "judge=false")
    assert ended.code == 0, ended.err
    assert [path.name for path in (Path.cwd() / "outputs" / "simulate").iterdir()] == ["stranger"]


@pytest.mark.parametrize(("size", "value"), [("hidden_size", 10**7), ("n_layers", 10**6), ("history", 10**9)])
def test_sizes_are_refused_before_memory_is_asked_for(size, value, trained, tmp_path, cli):
    checkpoint = torch.load(trained / "best.ckpt", weights_only=True)
    checkpoint["mlmd"]["spec"][size] = value
    torch.save(checkpoint, tmp_path / "stranger.ckpt")
    refused(cli("simulate", f"checkpoint={tmp_path / 'stranger.ckpt'}", *SHORT), f"model.{size} = {value} must be")


def linked(kind: str, source: Path, target: Path) -> None:
    """A trajectory file whose positions lie in another file."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        shape = file["positions"].shape
        del file["positions"]
        if kind == "link":
            file["positions"] = h5py.ExternalLink("pipe", "positions")
        elif kind == "external":
            file.create_dataset("positions", shape, "<f8", external=[("pipe", 0, h5py.h5f.UNLIMITED)])
        else:
            layout = h5py.VirtualLayout(shape, "<f8")
            layout[:] = h5py.VirtualSource("pipe", "positions", shape)
            file.create_virtual_dataset("positions", layout)


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
def test_a_trajectory_leads_to_no_other_file(kind, tmp_path, monkeypatch):
    from mlmd.io.trajectory_file import TrajectoryFile, write_trajectory
    from mlmd.state import Trajectory

    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")  # reading it would never end
    frames = torch.zeros(1, 5, 2, 3, dtype=torch.float64)
    write_trajectory("sound.h5", Trajectory(torch.arange(5), frames, frames, frames), metadata={})
    linked(kind, Path("sound.h5"), Path("stranger.h5"))
    found: list[str] = []

    def read() -> None:
        with pytest.raises(DataError) as error:
            TrajectoryFile("stranger.h5")
        found.append(str(error.value))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert found, "the reader hangs"
    assert "'positions' is missing" in found[0] or "'positions' lies in another file" in found[0]


def test_a_pipe_is_no_file(tmp_path):
    from mlmd.files import require_readable_file

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is a pipe or a device, not an mlmd checkpoint"):
        require_readable_file(tmp_path / "pipe", kind="mlmd checkpoint")

"""What only a process of its own can show."""

import json
import resource
import subprocess
import sys

import pytest
from cli.running import FAST, ROOT, TO_LEARN, assert_same_weights

HEAVY = ("torch", "lightning", "matplotlib", "wandb", "h5py", "numpy")
PROBE = f"""
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("loaded:", *[name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.mark.parametrize("script", ["train", "simulate"])
@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["seed=wrong"]], ids=" ".join)
def test_composing_imports_nothing_heavy(script, arguments, tmp_path):
    command = [sys.executable, "-c", PROBE, str(ROOT / f"{script}.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (2 if arguments == ["seed=wrong"] else 0), done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert not list(tmp_path.iterdir())


def test_bad_input_ends_a_process_with_one_line(finished):
    out, err = finished("train", "system=HCL", code=2)
    words = "there is no such choice of system: did you mean 'HCl' or 'KCl' or 'ICl'?"
    assert (out, err) == ("", f"error: system=HCL: {words}\n")


def test_a_disk_that_fills_while_training(finished, tmp_path):
    """A bound on the size of files stands for the full disk: the first checkpoint does not fit."""

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    arguments = (*FAST, *TO_LEARN, "data.batches.batches_per_epoch=2", "hydra.run.dir=run")
    _, err = finished("train", *arguments, code=2, preexec_fn=small_files_only)
    assert err.startswith("error: cannot write ")
    assert "best.ckpt: the file grew beyond the allowed size; raise the limit" in err
    assert err.count("\n") == 1
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "config.yaml", "csv", "provenance.json"}


def test_a_sweep_over_models_leaves_one_run_a_job(finished, tmp_path):
    out, _ = finished(
        "train",
        "--multirun",
        "model=3vR0,DuR0",
        *FAST,
        "logger=wandb",
        "data.batches.batches_per_epoch=2",
        "rollout.n_steps=60",
        "rollout.val_n_steps=40",
        "trainer.max_epochs=1",
    )
    sweep = tmp_path / "outputs" / "train" / "HCl"
    assert {path.name for path in sweep.iterdir()} == {"3vR0", "DuR0"}
    runs = []
    for number, model in enumerate(("3vR0", "DuR0")):
        (folder,) = (sweep / model).iterdir()
        assert folder.name.endswith(f"_{number}")
        assert json.loads((folder / "metrics.json").read_text())["rollout/never/n_steps"] == 60
        (run,) = folder.glob("wandb/offline-run-*/*.wandb")
        runs.append(run.name)
        assert str(folder.relative_to(tmp_path)) in out
    assert len(set(runs)) == 2
    assert all(model in run for model, run in zip(("3vR0", "DuR0"), runs, strict=True))


def test_two_processes_train_one_model(finished, tmp_path, trained):
    arguments = (*FAST, *TO_LEARN, "trainer=ddp", "hydra.run.dir=run")
    out, err = finished("train", *arguments)
    assert "Traceback" not in err
    run = tmp_path / "run"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics.keys() == json.loads((trained / "metrics.json").read_text()).keys()
    assert metrics["test/velocity_accuracy_percent"] > metrics["test/linear_velocity_accuracy_percent"]
    assert metrics["rollout/every_100/force_calls"] == 4
    assert out.count("velocity accuracy") == 1, "one process speaks"
    assert {path.name for path in run.iterdir()} == {path.name for path in trained.iterdir()}
    # Other stretches than one process draws, so other weights.
    with pytest.raises(AssertionError, match=r"predictor\.network"):
        assert_same_weights(run / "last.ckpt", trained / "last.ckpt")

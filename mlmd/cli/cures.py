"""Corrections of common mistakes on the command line."""

import re
from collections.abc import Collection, Iterable

from mlmd.cli.settings.reference import Entry, defaults_of, entries
from mlmd.errors import ConfigError, nearest

ALIASES = {
    "calculator": "hamiltonian=ase hamiltonian.calculator=<dotted path>",
    "cuda": "trainer=gpu (train) or device=cuda (simulate)",
    "device": "trainer=gpu",
    "dt": "system.dt_fs",
    "early_stopping": "callbacks=early_stopping",
    "epochs": "trainer.max_epochs",
    "fast_dev_run": "experiment=fast, a run of some seconds",
    "frequency": "injection.schedule.frequency",
    "functional": "hamiltonian=b3lyp hamiltonian.method=<functional>",
    "gpu": "trainer=gpu (train) or device=cuda (simulate)",
    "gpus": "trainer=gpu trainer.devices=<number>",
    "learning_rate": "optimizer.learning_rate",
    "lr": "optimizer.learning_rate",
    "max_steps": "trainer.max_epochs and data.batches.batches_per_epoch",
    "method": "hamiltonian=<choice>",
    "molecule": "system=<choice>, or system=molecule system.name=<name>",
    "n_epochs": "trainer.max_epochs",
    "output": "hydra.run.dir=<folder>",
    "output_dir": "hydra.run.dir=<folder>",
    "steps": "n_steps (simulate) or rollout.n_steps (train)",
    "temperature": "regime=thermal regime.temperature_K=<kelvin>",
    "timestep": "system.dt_fs",
}
"""What other programs call a setting, and what it is here."""

OF_TRAINER = {
    "callbacks": "choose them with callbacks=<choice>",
    "default_root_dir": "the folder is hydra.run.dir=<folder>",
    "deterministic": "every run is deterministic, so leave it out",
    "enable_model_summary": "the first line of a run names the number of weights, so leave it out",
    "enable_progress_bar": "a progress bar is shown on a terminal, so leave it out",
    "fast_dev_run": "experiment=fast is a run of some seconds",
    "gradient_clip_val": "set optimizer.gradient_clip=<norm>",
    "log_every_n_steps": "curves are logged once an epoch, so leave it out",
    "logger": "choose it with logger=<choice>",
    "num_sanity_val_steps": "there is no sanity check, so leave it out",
    "plugins": "mlmd writes checkpoints itself, so leave it out",
    "use_distributed_sampler": "batches are shared out already, so leave it out",
}
"""Arguments of Lightning's trainer that mlmd gives itself."""

OPTIONS = {
    *("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p", "--run", "-r"),
    *("--multirun", "-m", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun", "--info", "-i"),
}
"""Options that a command takes, all of them Hydra's."""


def check_options(arguments: Collection[str]) -> None:
    """Refuse a setting that is written like an option, or without its sign of equality.

    Raises:
        ConfigError: with the setting as it is written here.
    """
    given = list(arguments)
    for argument, after in zip(given, [*given[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name.startswith("-") and name not in OPTIONS and not re.fullmatch(r"-\d.*", name):
            key = name.lstrip("-").replace("-", "_")
            shown = (
                value if equals else after if after and not after.startswith("-") and "=" not in after else "<value>"
            )
            raise ConfigError(f"{argument}: settings are written without dashes: {key}={shown}")


def check_trainer_keys(keys: Iterable[str]) -> None:
    """Refuse arguments of Lightning's trainer that mlmd gives itself.

    Raises:
        ConfigError: with what to do instead.
    """
    for key in keys:
        group, _, name = key.partition(".")
        if group == "trainer" and name in OF_TRAINER:
            raise ConfigError(f"{key} is given by mlmd itself: {OF_TRAINER[name]}")


def of_unknown_key(key: str, known: Collection[str], command: str) -> str:
    """The error message for a key that the chosen configuration does not have.

    Args:
        key: as it was typed.
        known: all dotted keys of the chosen configuration.
        command: "train" or "simulate".
    """
    wrong = f"{key}: there is no such key"
    all_of_command = entries(command)
    elsewhere = {entry.name: entry for entry in all_of_command if entry.name not in known}
    if key in elsewhere:
        return f"{key} {_belongs(elsewhere[key], command)}"
    if (group := key.split(".")[0]) != key and group in defaults_of(command) and defaults_of(command)[group] is None:
        return f"{key}: {group} is that of the training until another is chosen: add {group}=<choice> before it"
    if key in ALIASES:
        return f"{wrong}; use {ALIASES[key]}"
    near = [name for name in known if name.startswith("hydra") == key.startswith("hydra")]
    if same_end := [name for name in near if name.rpartition(".")[2] == key]:
        return f"{wrong}: did you mean {' or '.join(repr(name) for name in sorted(same_end)[:3])}?"
    if same_end := [name for name in elsewhere if name.rpartition(".")[2] == key]:
        return f"{wrong}; {same_end[0]} {_belongs(elsewhere[same_end[0]], command)}"
    group = key.split(".")[0]
    if group not in {name.split(".")[0] for name in known} and group in _top_level(other := _other(command)):
        on_the_fly = command == "simulate" and group in {name.split(".")[0] for name in elsewhere}
        hint = "; with mode=on_the_fly, simulate.py takes it too" if on_the_fly else ""
        return f"{wrong} in {command}.py: it belongs to {other}.py{hint}"
    words = nearest(key, near)
    if not words.startswith("did you mean"):
        words = f"{nearest(key, {name.split('.')[0] for name in near})}; python {command}.py --help lists all"
    return f"{wrong}: {words}"


def _other(command: str) -> str:
    return "simulate" if command == "train" else "train"


def _top_level(command: str) -> set[str]:
    return {entry.name.split(".")[0] for entry in entries(command)} | set(defaults_of(command))


def _belongs(entry: Entry, command: str) -> str:
    if not entry.only_with:
        group = entry.name.split(".")[0]
        return f"belongs to {group}, which is not chosen: add {group}=<choice>"
    if entry.only_with == ("mode=on_the_fly",) and command == "simulate":
        return "belongs to mode=on_the_fly: add it"
    return f"belongs to {' or '.join(entry.only_with[:3])}: add {entry.only_with[0]}"


def of_unknown_choice(group: str, name: str, choices: Collection[str]) -> str:
    """The error message for a choice that a group does not have."""
    words = f"{group}={name}: there is no such choice of {group}: {nearest(name, choices)}"
    interval = re.fullmatch(r"every_(\d+)(_anchored)?", name)
    if group == "injection" and interval and int(interval[1]) > 0:
        frequency = float(f"{1 / int(interval[1]):.6g}")
        words += f" Any frequency: injection=every_100{interval[2] or ''} injection.schedule.frequency={frequency}"
    return words

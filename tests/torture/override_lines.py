"""Override lines at random: one key of a command, and a value that it may not expect."""

from dataclasses import dataclass
from typing import Any

from cli.running import FAST, SHORT, TO_LEARN
from hypothesis import strategies as st

from mlmd.cli.settings.reference import COMMANDS, Entry, defaults_of, entries

MARK = "it-ran"
"""A file that code named in an override would make."""

BESIDE = ("resume", "trust")
"""Keys that choose the run or extend trust; they are tested by themselves."""

OF_OTHER_PACKAGES = ("hamiltonian.arguments.", "logger.mlflow.", "logger.tensorboard.", "callbacks.")
"""Beginnings of keys whose values are handed to other packages as they are."""

SIGNED = ("hamiltonian.charge", "trainer.devices")
"""Whole numbers that may be below zero."""

NUMBERS = ("-1", "0", "1", "2", "1.5", "1e-300", "1e300", "-1e300", "1e13", "10000000000000", "9" * 30, "1" + "0" * 400)
NOT_NUMBERS = ("nan", "inf", "-inf", ".nan", "-.inf")
TEXTS = ("text", "''", "' '", '"a b"', "~", "é", "'" + "x" * 500 + "'", "'nan'", "'1'", "2024-01-01")
INTERPOLATIONS = (
    "${now:%Y}",
    "${oc.env:HOME}",
    "${nothing}",
    "${oc.env:NOTHING_OF_THE_KIND}",
    "${seed}",
    "${system}",
    "${.name}",
    "${oc.decode:nan}",
    "'${'",
    "${hydra:job.name}",
    "${hydra:nothing}",
)
NESTED = ("[]", "{}", "[1,2]", "[nan]", "{a:1}", "{a:{b:[1,{c:null}]}}", "[[1],[2]]", "[null]", "[text,2]")
TARGETS = (
    "{_target_: builtins.dict}",
    "{_target_: builtins.dict, a: 1}",
    "{_target_: os.system, command: 'touch " + MARK + "'}",
    "{_target_: pathlib.Path.write_text, self: {_target_: pathlib.Path, _args_: ['" + MARK + "']}, data: x}",
    "{_target_: os.mkdir, path: " + MARK + "}",
    "{_target_: nothing.at.all}",
    "{_target_: 3}",
    "{_target_: ''}",
    "{_target_: mlmd}",
    "{_target_: mlmd.systems.ThermalRegime}",
    "{_target_: builtins.float, _args_: [nan]}",
)


@dataclass(frozen=True)
class Line:
    """One command line.

    Attributes:
        command: train or simulate.
        key: the key that is changed.
        value: what it is given, as typed.
        overrides: the whole line, without what makes the run small.
        is_nonsense: whether the value has to be refused.
    """

    command: str
    key: str
    value: str
    overrides: tuple[str, ...]
    is_nonsense: bool

    def arguments(self, checkpoint: str) -> list[str]:
        """The command line of a run that takes a second at most before its long part begins."""
        if self.command == "train":
            return [*FAST, *TO_LEARN, "figures=false", *self.overrides]
        if "mode=on_the_fly" in self.overrides:
            return [
                "mode=on_the_fly",
                "system=HCl",
                "hamiltonian=morse",
                "judge=false",
                "figures=false",
                *self.overrides,
            ]
        return [f"checkpoint={checkpoint}", "figures=false", "judge=false", *SHORT, *self.overrides]


def kind_of_number(default: Any) -> type | None:
    """int, float or bool where the default of a key is one."""
    return type(default) if isinstance(default, bool | int | float) else None


def is_nonsense(entry: Entry, value: str) -> bool:
    """Whether a key cannot mean anything with a value."""
    key, kind = entry.name, kind_of_number(entry.default)
    if key.startswith(OF_OTHER_PACKAGES):
        return False
    if value in TARGETS:
        return True
    if value in NOT_NUMBERS:  # two of them are texts to Hydra
        return kind is not None or value not in ("-.inf", ".nan")
    if kind is None:
        return value.startswith("{") and not isinstance(entry.default, dict)
    if value in TEXTS and value != "~":
        return True
    if value in INTERPOLATIONS and value != "${seed}":
        return True
    if value in NESTED:
        return key != "trainer.devices"
    if kind is int and key not in SIGNED:
        return value in ("-1", "1.5", "-1e300", "1e-300", "true")
    return kind is bool and value in NUMBERS


def components(command: str) -> list[str]:
    """The keys of a command that hold an object."""
    from mlmd.cli.settings import Component
    from mlmd.cli.settings.base import kinds_of

    own = {
        name
        for settings in COMMANDS[command]
        for name, field in settings.model_fields.items()
        if Component in kinds_of(field)
    }
    return sorted(own) + (["data.batches", "data.trajectories"] if command == "train" else [])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line of train or simulate."""
    command = draw(st.sampled_from(["train", "train", "simulate"]))
    if draw(st.integers(0, 7)) == 0:
        key = draw(st.sampled_from(components(command)))
        value = draw(st.sampled_from(TARGETS))
        group = key.split(".")[0]
        choice = {"system": "HCl", "hamiltonian": "morse", "regime": "thermal"}.get(group)
        chosen = (f"{group}={choice}",) if choice else ()
        if command == "simulate" and defaults_of("simulate").get(group, "") == "" and group != "on_the_fly":
            chosen = ("mode=on_the_fly",)
        if group == "on_the_fly":
            chosen = ("mode=on_the_fly",)
        if draw(st.booleans()):  # another target with the arguments that are there
            value = value.split("_target_:")[1].split(",")[0].strip(" }")
            is_right = key == "regime" and "ThermalRegime" in value
            return Line(command, f"{key}._target_", value, (*chosen, f"{key}._target_={value}"), not is_right)
        # The mapping replaces what is there only where it is deleted first.
        return Line(command, key, value, (*chosen, f"{key}={value}"), value not in _HARMLESS)
    entry = draw(st.sampled_from([entry for entry in entries(command) if entry.name not in BESIDE]))
    pools = (NUMBERS, NUMBERS, NOT_NUMBERS, TEXTS, INTERPOLATIONS, NESTED, TARGETS, ("null", "true", "false"))
    value = draw(st.sampled_from(draw(st.sampled_from(pools))))
    key = entry.name.replace("<name>", "every_100")
    with_mode = ("mode=on_the_fly",) if "mode=on_the_fly" in entry.only_with else ()
    choices = [choice for choice in entry.only_with if choice != "mode=on_the_fly"]
    chosen = (draw(st.sampled_from(choices)),) if choices else ()
    return Line(command, key, value, (*with_mode, *chosen, f"{key}={value}"), is_nonsense(entry, value))


_HARMLESS = ("{_target_: mlmd.systems.ThermalRegime}",)

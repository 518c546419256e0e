"""``--help`` of a command: its choices and keys, each with its meaning; nothing heavy is imported."""

import textwrap

from mlmd.cli.settings.choices import choices
from mlmd.cli.settings.reference import Entry, defaults_of, entries

WIDTH, INDENT = 120, 44

HEADS = {
    "train": "Train a velocity predictor and judge it by rollouts.",
    "simulate": "Propagate a trained predictor from new initial states, or train one on the fly.",
}

EXAMPLES = {
    "train": (
        "python train.py model=3vR0 system=HCl",
        "python train.py model=DuR0 system=HCl hamiltonian=morse regime=thermal",
        "python train.py --multirun model=3vR0,3uR0,DuR0 system=H2,HCl,CO sweep=two_jobs",
    ),
    "simulate": (
        "python simulate.py checkpoint=outputs/train/HCl/3vR0/<time> n_steps=100000 injection=every_1000",
        "python simulate.py mode=on_the_fly system=HCl hamiltonian=b3lyp",
        "python simulate.py resume=outputs/simulate/HCl/3vR0/<time>",
    ),
}

MANY = 6
"""Choices that are named beside a key, at most."""


def help_of(command: str) -> str:
    """The help of ``train`` or ``simulate``."""
    lines = [HEADS[command], "", "Usage", f"  python {command}.py [GROUP=CHOICE ...] [KEY=VALUE ...] [--multirun]", ""]
    lines.append("Choices: GROUP=CHOICE, the first is the default")
    for group, default in defaults_of(command).items():
        names = sorted(choices(group), key=lambda name: (name != default, name))
        lines += _wrapped(f"  {group}", ", ".join(names if default else ["(none)", *names]), indent=20)
    lines += ["", "Keys: KEY=VALUE, with the value that they have by default"]
    nested = [entry for entry in entries(command) if "." in entry.name]
    for group in ("", *dict.fromkeys(entry.name.split(".")[0] for entry in nested)):
        lines.append("")
        for entry in entries(command) if not group else nested:
            if entry.name.startswith(f"{group}.") if group else "." not in entry.name:
                lines += _of_entry(entry)
    lines += ["", "Examples", *(f"  {line}" for line in EXAMPLES[command]), ""]
    lines.append("--cfg job prints the configuration of a command line; --hydra-help lists Hydra's own options.")
    return "\n".join(lines) + "\n"


def _of_entry(entry: Entry) -> list[str]:
    words = [entry.meaning.rstrip(".")]
    if entry.unit and entry.unit not in entry.meaning:
        words.append(f"in {entry.unit}")
    if entry.bounds:
        words.append(entry.bounds)
    if entry.only_with:
        group, names = entry.only_with[0].split("=")[0], [name.split("=")[1] for name in entry.only_with]
        shown_names = names if len(names) <= MANY else [*names[:MANY], "..."]
        words.append(
            f"with {group}={'|'.join(shown_names)}" if _of_one_group(entry) else f"with {', '.join(entry.only_with)}"
        )
    plain = {"None": "null", "True": "true", "False": "false"}
    shown = plain.get(str(entry.default), str(entry.default))
    return _wrapped(f"  {entry.name}={shown}", "; ".join(words), indent=INDENT)


def _of_one_group(entry: Entry) -> bool:
    return len({choice.split("=")[0] for choice in entry.only_with}) == 1


def _wrapped(left: str, right: str, *, indent: int) -> list[str]:
    lines = textwrap.wrap(right, WIDTH - indent) or [""]
    if len(left) < indent:
        return [f"{left:<{indent}}{lines[0]}", *(" " * indent + line for line in lines[1:])]
    return [left, *(" " * indent + line for line in lines)]

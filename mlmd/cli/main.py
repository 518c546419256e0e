"""The command ``mlmd``: finds the subcommand and passes the remaining arguments to it."""

import sys
from collections.abc import Sequence

import mlmd
from mlmd.errors import nearest

BAD_INPUT = 2
"""Exit code of a command line that the user can correct."""

COMMANDS = {
    "train": "train a velocity predictor and judge it by rollouts",
    "simulate": "propagate a trained predictor, or train one on the fly",
    "dashboard": "print the panels of the W&B dashboard, or create it in a W&B project",
    "info": "print versions, engines, devices, extras and the configuration folder",
}

HELP = f"""{mlmd.__doc__.partition(chr(10))[0]}

Usage
  mlmd COMMAND [KEY=VALUE ...]
  mlmd COMMAND --help
  mlmd --version

Commands
{chr(10).join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())}

Examples
  mlmd train model=3vR0 system=HCl
  mlmd simulate checkpoint=outputs/train/HCl/3vR0/<time> n_steps=100000
  mlmd dashboard --dry-run
  mlmd info --json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        arguments: the command line after the program's name; that of the process if not given.

    Returns:
        The exit code.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if name == "--version":
        print(f"mlmd {mlmd.__version__}")
        return 0
    if name not in COMMANDS:
        print(f"error: mlmd {name}: there is no such command: {nearest(name, COMMANDS)}", file=sys.stderr)
        return BAD_INPUT
    if name == "info":
        from mlmd.cli import info

        return info.main(rest)
    if name == "dashboard":
        from mlmd.cli import dashboard

        return dashboard.main(rest)
    from mlmd.cli.entry import run

    run(name, rest)
    return 0

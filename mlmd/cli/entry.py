"""The common entry of ``python train.py``, ``python simulate.py``, ``mlmd train`` and ``mlmd simulate``."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlmd.cli.program import CONF

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(command: str, arguments: Sequence[str] | None = None) -> None:
    """Compose the configuration of a command line and run the command; heavy packages are imported in between.

    Args:
        command: ``train`` or ``simulate``, the name of the primary configuration.
        arguments: overrides and Hydra's options; those of the process if not given.
    """
    began = time.perf_counter()
    given = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(given):
        from mlmd.cli.help import help_of

        print(help_of(command), end="")
        return
    import hydra
    from hydra.core.hydra_config import HydraConfig

    from mlmd.cli.job import job_values
    from mlmd.cli.launch import in_sweep, launch, one_line_errors, set_environment
    from mlmd.cli.output import kept_if_used, unbroken_output
    from mlmd.cli.signals import ended_by_signals, exit_code

    argv = sys.argv
    if arguments is not None:
        sys.argv = [argv[0], *arguments]  # Hydra reads its options from there

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)
    def main(config: "DictConfig") -> None:
        sys.argv = argv  # Lightning starts the other processes of a distributed run with it
        with one_line_errors(), kept_if_used(Path(HydraConfig.get().runtime.output_dir)):
            values = job_values(config)
            set_environment(values["threads"])
            # A process that sweeps began before this job.
            perform(command, values, began=None if in_sweep() else began)

    with ended_by_signals(), unbroken_output():
        try:
            launch(main, config_name=command)
        except KeyboardInterrupt:  # before anything of a run is saved
            print("interrupted", file=sys.stderr)
            raise SystemExit(exit_code()) from None


def perform(command: str, values: Mapping[str, Any], *, began: float | None = None) -> dict[str, float]:
    """Run a command whose configuration is composed and stands in `HydraConfig`.

    Args:
        command: ``train`` or ``simulate``.
        values: the resolved configuration.
        began: `time.perf_counter` at the start of the command; now if not given.

    Returns:
        The content of ``metrics.json``.

    Raises:
        MlmdError: a setting, a file or a calculation is at fault.
    """
    from hydra.core.hydra_config import HydraConfig

    from mlmd.cli.job import job_overrides

    runtime, overrides = HydraConfig.get().runtime, job_overrides()
    if command == "train":
        from mlmd.cli.train import train

        return train(values, began=began, folder=runtime.output_dir, overrides=overrides)
    from mlmd.cli.simulate import simulate

    injection_name = runtime.choices["injection"]
    return simulate(values, began=began, folder=runtime.output_dir, overrides=overrides, injection_name=injection_name)

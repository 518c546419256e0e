"""Propagate a trained predictor from new initial states: ``python simulate.py checkpoint=<path>``."""

import time

import hydra
from omegaconf import DictConfig

from mlmd.cli.job import job_overrides, job_values
from mlmd.cli.launch import in_sweep, launch, one_line_errors, set_environment

BEGAN = time.perf_counter()
"""When the command began, before anything heavy is imported."""


@hydra.main(version_base="1.3", config_path="conf", config_name="simulate")
def main(config: DictConfig) -> None:
    """Compose, then import what is heavy and run."""
    with one_line_errors():
        values = job_values(config)
        set_environment(values["threads"])
        from hydra.core.hydra_config import HydraConfig

        from mlmd.cli.simulate import simulate

        hydra_config = HydraConfig.get()
        began = None if in_sweep() else BEGAN  # a process that sweeps began before this job
        simulate(
            values,
            began=began,
            folder=hydra_config.runtime.output_dir,
            overrides=job_overrides(),
            injection_name=hydra_config.runtime.choices["injection"],
        )


if __name__ == "__main__":
    launch(main, config_name="simulate")

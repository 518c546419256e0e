"""Train a velocity predictor and judge it by rollouts: ``python train.py model=3vR0 system=HCl``."""

import time

import hydra
from omegaconf import DictConfig

from mlmd.cli.job import job_overrides, job_values
from mlmd.cli.launch import in_sweep, launch, one_line_errors, set_environment

BEGAN = time.perf_counter()
"""When the command began, before anything heavy is imported."""


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config: DictConfig) -> None:
    """Compose, then import what is heavy and run."""
    with one_line_errors():
        values = job_values(config)
        set_environment(values["threads"])
        from hydra.core.hydra_config import HydraConfig

        from mlmd.cli.train import train

        hydra_config = HydraConfig.get()
        began = None if in_sweep() else BEGAN  # a process that sweeps began before this job
        train(values, began=began, folder=hydra_config.runtime.output_dir, overrides=job_overrides())


if __name__ == "__main__":
    launch(main, config_name="train")

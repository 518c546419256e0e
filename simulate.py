"""Propagate a trained predictor from new initial states: ``python simulate.py checkpoint=<path>``."""

import time

import hydra
from omegaconf import DictConfig

from mlmd.config import launch, one_line_errors, resolved, set_environment

BEGAN = time.perf_counter()
"""When the command began, before anything heavy is imported."""


@hydra.main(version_base="1.3", config_path="conf", config_name="simulate")
def main(config: DictConfig) -> None:
    """Compose, then import what is heavy and run."""
    with one_line_errors():
        values = resolved(config)
        set_environment(values["threads"])
        from hydra.core.hydra_config import HydraConfig

        from mlmd.commands.simulate import simulate

        hydra_config = HydraConfig.get()
        simulate(
            values,
            began=BEGAN,
            folder=hydra_config.runtime.output_dir,
            overrides=list(hydra_config.overrides.task),
            injection_name=hydra_config.runtime.choices["injection"],
        )


if __name__ == "__main__":
    launch(main, config_name="simulate")

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning import Trainer

from mlmd.data.module import BatchPlan, TrajectoryDataModule
from mlmd.training import OptimizerPlan, PredictorModule, SequenceLoss

SIZES = BatchPlan(sequence_length=16, batch_size=4, batches_per_epoch=3, noise=0.0)


@pytest.fixture
def make_module(make_predictor, reference, hcl_morse) -> Callable[..., PredictorModule]:
    """A module around a small predictor of HCl (Morse), in single precision as in training."""

    def make(*, loss: SequenceLoss | None = None, **optimizer: Any) -> PredictorModule:
        plan = {"learning_rate": 1e-2, "schedule": "one_cycle", "weight_decay": 0.0, "gradient_clip": 1.0} | optimizer
        predictor = make_predictor(reference(hcl_morse, 60), says=0.3)
        predictor.network.float()
        predictor.train()
        return PredictorModule(
            predictor,
            loss=loss or SequenceLoss(None),
            optimizer=OptimizerPlan(**plan),
            mape_threshold_A_per_fs=1e-4,
            steps_per_period=22.0,
            config={"seed": 1},
        )

    return make


@pytest.fixture
def fit(reference, hcl_morse, tmp_path) -> Callable[..., Trainer]:
    """A short training in this process."""

    def run(module: PredictorModule, *callbacks: Any, max_epochs: int = 2, **arguments: Any) -> Trainer:
        splits = {"train": reference(hcl_morse, 60), "val": reference(hcl_morse, 50), "test": reference(hcl_morse, 50)}
        data = TrajectoryDataModule(splits, predictor=module.predictor, plan=SIZES, seed=1)
        defaults = {"logger": False, "enable_checkpointing": False}
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=max_epochs,
            callbacks=list(callbacks),
            default_root_dir=tmp_path,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
            **(defaults | arguments),
        )
        torch.manual_seed(0)
        trainer.fit(module, datamodule=data)
        trainer.data = data
        return trainer

    return run

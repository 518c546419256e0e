"""A trained predictor from its checkpoint."""

from pathlib import Path
from typing import Any

from mlmd.errors import ConfigError, DataError
from mlmd.io.checkpoint_file import load_checkpoint_file
from mlmd.models import PredictorSpec, VelocityPredictor


def load_predictor(path: str | Path) -> VelocityPredictor:
    """Load a trained predictor.

    Args:
        path: a checkpoint file, or the folder of a training run, whose best checkpoint is read.

    Returns:
        The predictor, a PyTorch module on the CPU in evaluation mode. It predicts velocities and their updates in A/fs,
        with the axes replica, atom and xyz, for the atoms and the time step in its ``spec``: ``symbols``, ``masses_u``
        (u) and ``dt_fs`` (fs).

    Raises:
        DataError: the file cannot be read, or is not a sound checkpoint of this project.
    """
    return load_predictor_and_config(path)[0]


def load_predictor_and_config(path: str | Path) -> tuple[VelocityPredictor, dict[str, Any]]:
    """As `load_predictor`, with the configuration of the system, Hamiltonian and regime it was trained with.

    Raises:
        DataError: not a sound checkpoint of this project.
    """
    path = find_checkpoint(path)
    checkpoint = load_checkpoint_file(path)
    try:
        predictor = VelocityPredictor(PredictorSpec.from_dict(checkpoint["mlmd"]["spec"]))
        prefix = "predictor."
        weights = {
            name.removeprefix(prefix): value
            for name, value in checkpoint["state_dict"].items()
            if name.startswith(prefix)
        }
        predictor.network.to(weights["network.head.weight"].dtype)  # as it was trained and validated
        predictor.load_state_dict(weights)
        for name, value in weights.items():
            if not bool(value.isfinite().all()):
                raise DataError(f"{path}: {name} holds numbers that are not finite; give another checkpoint")
        config = {name: checkpoint["mlmd"]["config"][name] for name in ("system", "hamiltonian", "regime")}
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the checkpoint does not hold what an mlmd checkpoint holds ({error})") from error
    except RuntimeError as error:
        raise DataError(
            f"{path}: the checkpoint's weights do not fit {predictor.spec.variant}, the model that it names; "
            "copy it again or train anew"
        ) from error
    return predictor.eval(), config


def find_checkpoint(path: str | Path) -> Path:
    """A checkpoint file, or the best one of a run's folder."""
    given = Path(path)
    return given / "best.ckpt" if given.is_dir() else given

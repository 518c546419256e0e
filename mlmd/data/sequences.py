"""Training batches of random stretches; the draw of an epoch depends on the seed and the epoch alone."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mlmd.data.generation import split_seed
from mlmd.errors import ConfigError


class SequenceBatches:
    """An iterable of batches that is the same for the same seed and epoch.

    No state is kept between epochs, so a resumed run draws the same batches as an uninterrupted one. Stretches are cut
    on the device that holds the tensors.

    Args:
        inputs: standardised model inputs [trajectory, time, input].
        targets: scaled model outputs [trajectory, time, output].
        noise_response: shift of the target per unit of input noise [input, output].
        noise: standard deviation of the input noise; 0 adds none.
        sequence_length: length of a stretch, steps.
        batch_size: stretches in a batch, per process.
        n_batches: batches in an epoch.
        seed: seed of the run.
        epoch: returns the current epoch.
        rank: index of this process; each process draws different stretches.
        purpose: name of the use of the batches; each purpose draws different stretches.

    Raises:
        ConfigError: the trajectories are shorter than a stretch.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        noise_response: Tensor,
        *,
        noise: float,
        sequence_length: int,
        batch_size: int,
        n_batches: int,
        seed: int,
        epoch: Callable[[], int],
        rank: int = 0,
        purpose: str = "batches",
    ) -> None:
        if sequence_length > inputs.shape[1]:
            raise ConfigError(
                f"data.batches.sequence_length = {sequence_length} is longer than the {inputs.shape[1]} usable steps "
                "of a trajectory; raise data.trajectories.n_steps or shorten it"
            )
        self.inputs = inputs
        self.targets = targets
        self.noise_response = noise_response
        self.noise = noise
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.n_batches = n_batches
        self.seed = seed
        self.epoch = epoch
        self.rank = rank
        self.purpose = purpose

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets [batch, time, ...] of every batch of the current epoch."""
        generator = torch.Generator().manual_seed(split_seed(self.seed, f"{self.purpose}/{self.epoch()}/{self.rank}"))
        n_trajectories, n_steps = self.inputs.shape[:2]
        device = self.inputs.device
        within = torch.arange(self.sequence_length, device=device)
        for _ in range(self.n_batches):
            which = torch.randint(n_trajectories, (self.batch_size, 1), generator=generator).to(device)
            first = torch.randint(n_steps - self.sequence_length + 1, (self.batch_size, 1), generator=generator)
            times = first.to(device) + within
            inputs, targets = self.inputs[which, times], self.targets[which, times]
            if self.noise > 0:
                noise = self.noise * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype).to(device)
                inputs, targets = inputs + noise, targets + noise @ self.noise_response
            yield inputs, targets


class MixedBatches:
    """Batches that combine the batches of several sources.

    Args:
        parts: the sources, with the same number of batches and the same length of a stretch.
    """

    def __init__(self, *parts: SequenceBatches) -> None:
        self.parts = parts

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.parts[0])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets [batch, time, ...] of every batch of the current epoch."""
        for drawn in zip(*self.parts, strict=True):
            inputs, targets = zip(*drawn, strict=True)
            yield torch.cat(inputs), torch.cat(targets)

"""The velocity predictor: decomposition, scales and stacked LSTM around one step."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mlmd.decomposition import Frame
from mlmd.errors import ConfigError
from mlmd.models.lstm import LSTMState, StackedLSTM
from mlmd.models.memory import Memory, NoMemory, make_memory
from mlmd.models.scaling import Scaling
from mlmd.models.spec import PredictorSpec
from mlmd.state import Trajectory


@dataclass
class PredictorState:
    """What a predictor remembers of a rollout.

    Attributes:
        n_seen: inputs read so far.
        network: LSTM state, laid out by the memory.
        last_update: components of the last force-like kick, [replica, component], A/fs; None before the first step.
        coordinates: the coordinate frames before this one, newest first, each [replica, coordinate], A.
        past: the pairs of velocity features and update read before this step, newest first, each [replica, number].
    """

    n_seen: int
    network: LSTMState
    last_update: Tensor | None = None
    coordinates: list[Tensor] = field(default_factory=list)
    past: list[Tensor] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Copies of the tensors, and plain values, for a restart file; an engine may change its own in place."""
        return {
            "n_seen": self.n_seen,
            "network": [part.clone() for part in self.network],
            "last_update": None if self.last_update is None else self.last_update.clone(),
            "coordinates": [part.clone() for part in self.coordinates],
            "past": [part.clone() for part in self.past],
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "PredictorState":
        """The state that ``to_dict`` wrote, as its own copy."""
        hidden, cell = saved["network"]
        last = saved["last_update"]
        return cls(
            saved["n_seen"],
            (hidden.clone(), cell.clone()),
            None if last is None else last.clone(),
            [part.clone() for part in saved["coordinates"]],
            [part.clone() for part in saved["past"]],
        )


class VelocityPredictor(nn.Module):
    """Predicts kicks from velocities.

    One step reads the velocity features of v_{n-1/2} and the components of the last update u_{n-1}, earlier such pairs
    where ``history`` is more than one, and R coordinate frames, and predicts the components of v_{n+1/2} or of u_n.
    Positions enter only as the axes of the decomposition unless R > 0.

    With the shortcut, a prediction of v_{n+1/2} starts from v_{n-1/2} with weight one. A fitted weight could differ
    from it only by what the turning of the frame over half a step adds, a quantity of 1e-5 A/fs that encodes the bond
    length at fixed angular momentum; least squares would exploit it with weights of 1e4, and the rollout would explode.

    Args:
        spec: variant, sizes, memory and the system it belongs to.
    """

    def __init__(self, spec: PredictorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.decomposition = spec.decomposition()
        self.memory: Memory = (
            make_memory(spec.memory_kind, length=spec.memory_length, warmup=spec.memory_warmup)
            if spec.network
            else NoMemory()
        )
        n_features, n_components = self.decomposition.n_features, self.decomposition.n_components
        n_inputs = (
            spec.history * (n_features + n_components) + spec.coordinate_frames * self.decomposition.n_coordinates
        )
        self.scaling = Scaling(
            n_inputs,
            n_components,
            shortcut=bool(spec.shortcut),
            fixed=torch.eye(n_inputs).narrow(1, n_features, n_components) if spec.shortcut == "held" else None,
            ridge=spec.ridge,
            network=spec.network,
        )
        self.network = StackedLSTM(n_inputs, n_components, hidden_size=spec.hidden_size, n_layers=spec.n_layers)

    @property
    def n_history(self) -> int:
        """Steps that a rollout must see before a prediction counts."""
        return self.n_input_history + self.memory.n_skipped

    @property
    def predicts_update(self) -> bool:
        """Whether scales and network predict u_n; otherwise they predict v_{n+1/2}, as the plain LSTM does."""
        return self.spec.target == "update" or bool(self.spec.shortcut)

    @property
    def n_input_history(self) -> int:
        """First frame of a trajectory with a complete input: every pair needs a kick before it, R > 1 coordinates."""
        return max(self.spec.history, self.spec.coordinate_frames - 1)

    def training_pairs(self, trajectory: Trajectory, target_kicks: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Inputs and targets of every frame from ``n_input_history`` on.

        Args:
            trajectory: consecutive frames (stride 1); its kicks are those that were taken, so they are read.
            target_kicks: those that should have been taken, [replica, time, atom, xyz], A/fs; the same where None.

        Returns:
            Features [replica, time - n_input_history, input] and targets [replica, time - n_input_history, component],
            float64.
        """
        decomposition, start = self.decomposition, self.n_input_history
        velocities = trajectory.velocities_before
        frame = decomposition.frame(trajectory.positions, velocities)
        updates = decomposition.project(frame, trajectory.kicks)
        n_frames = len(trajectory)
        if n_frames <= start:
            raise ConfigError(
                f"data.trajectories.n_steps = {n_frames} is too short: the first input needs {start} steps before it "
                "(model.history, model.coordinate_frames)"
            )
        encoded = decomposition.encode(frame, velocities)[:, 1:]
        pairs = torch.cat((encoded, updates[:, :-1]), dim=-1)  # the first belongs to frame 1
        features = [pairs[:, start - 1 - back : n_frames - 1 - back] for back in range(self.spec.history)]
        coordinates = decomposition.coordinates(frame, trajectory.positions)
        features += [coordinates[:, start - back : n_frames - back] for back in range(self.spec.coordinate_frames)]
        after = trajectory.velocities_after
        if target_kicks is not None:
            updates, after = decomposition.project(frame, target_kicks), velocities + target_kicks
        targets = updates if self.predicts_update else decomposition.project(frame, after)
        return torch.cat(features, dim=-1), targets[:, start:]

    def predict_sequence(self, features: Tensor) -> Tensor:
        """Predicted targets [replica, time - n_skipped, component] of raw features [replica, time, input]."""
        inputs = self.scaling.standardise(features).to(self.network.head.weight.dtype)
        outputs = self.memory.sequence(self.network, inputs)
        return self.scaling.combine(features[:, self.memory.n_skipped :], outputs)

    def predict_velocities(self, trajectory: Trajectory) -> tuple[Tensor, Tensor, Tensor]:
        """One-step predictions along a trajectory, every input being true.

        Args:
            trajectory: consecutive frames (stride 1).

        Returns:
            v_{n+1/2} as predicted, as the linear shortcut alone predicts it, and as it is, each float64
            [replica, time - n_history, atom, xyz], A/fs.
        """
        features, _ = self.training_pairs(trajectory)
        judged = trajectory.frames(self.n_history, len(trajectory))
        before = judged.velocities_before
        frame = self.decomposition.frame(judged.positions, before)

        def velocities(prediction: Tensor) -> Tensor:
            if not self.predicts_update:
                prediction = prediction - self.decomposition.project(frame, before)
            return before + self.decomposition.decode(frame, prediction)

        linear = self.scaling.linear(features[:, self.memory.n_skipped :])
        return velocities(self.predict_sequence(features)), velocities(linear), judged.velocities_after

    def initial_state(self, n_replicas: int) -> PredictorState:
        """An empty memory."""
        return PredictorState(0, self.memory.initial(self.network, n_replicas))

    def has_complete_input(self, state: PredictorState) -> bool:
        """Whether the next step completes an input."""
        return (
            state.last_update is not None
            and len(state.past) >= self.spec.history - 1
            and len(state.coordinates) >= self.spec.coordinate_frames - 1
        )

    def predict(self, frame: Frame, positions: Tensor, velocities: Tensor, state: PredictorState) -> Tensor | None:
        """Read one step, advance ``state`` in place, and predict the components of the kick.

        Args:
            frame: decomposition frame of the state.
            positions: r_n, [replica, atom, xyz], A.
            velocities: v_{n-1/2}, [replica, atom, xyz], A/fs.
            state: what this predictor remembers.

        Returns:
            Components of u_n, [replica, component], A/fs; None while there is not yet a complete input.
        """
        decomposition, is_complete = self.decomposition, self.has_complete_input(state)
        coordinates: list[Tensor] = []
        if self.spec.coordinate_frames:
            coordinates = [decomposition.coordinates(frame, positions), *state.coordinates]
            state.coordinates = coordinates[: self.spec.coordinate_frames - 1]
        pairs: list[Tensor] = []
        if state.last_update is not None:
            pairs = [torch.cat((decomposition.encode(frame, velocities), state.last_update), dim=-1), *state.past]
            state.past = pairs[: self.spec.history - 1]
        if not is_complete:
            return None
        features = torch.cat((*pairs, *coordinates), dim=-1)
        inputs = self.scaling.standardise(features).to(self.network.head.weight.dtype)
        outputs, state.network = self.memory.step(self.network, inputs, state.network, state.n_seen)
        prediction = self.scaling.combine(features, outputs)
        state.n_seen += 1
        return prediction if self.predicts_update else prediction - decomposition.project(frame, velocities)

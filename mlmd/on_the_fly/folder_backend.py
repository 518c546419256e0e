"""The backend of an on-the-fly run in a folder: frames, restart points, trainings, terminal output."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from mlmd.io.run_folder import TRAJECTORY_FILE
from mlmd.io.trajectory_writer import TrajectoryWriter, finished_metadata
from mlmd.models import VelocityPredictor
from mlmd.on_the_fly import OnTheFly, RunProgress
from mlmd.on_the_fly.trainings import Rounds
from mlmd.progress import PhaseLine, say
from mlmd.state import Trajectory


class LearningStore:
    """The surroundings of an on-the-fly run, in a folder.

    Args:
        folder: of the run.
        rounds: its trainings.
        n_steps: MD steps in all.
        identity: digest of everything that decides the frames; a recording of another one is refused.
        resumes: whether an interrupted run continues from its last save.
    """

    def __init__(self, folder: Path, rounds: Rounds, *, n_steps: int, identity: str, resumes: bool) -> None:
        self.target = folder / TRAJECTORY_FILE
        self.rounds = rounds
        self._n_steps = n_steps
        self._identity = identity
        self._resumes = resumes
        self._line = PhaseLine(n_steps)
        self._recorder: TrajectoryWriter

    def go(self, run: OnTheFly, initial: tuple[Tensor, Tensor], metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Run to the end, from the last save where there is one, and leave the trajectory.

        Args:
            run: not yet started.
            initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
            metadata: stored in the trajectory's file.

        Returns:
            The result of the run, see `outcome`; that of the file if the run had finished before.

        Raises:
            DataError: the file cannot be written, or what was recorded belongs to another run or is damaged.
        """
        n_steps = self._n_steps
        finished = finished_metadata(self.target, identity=self._identity) if self._resumes else None
        if finished is not None:
            return dict(finished["on_the_fly"])
        self._recorder = TrajectoryWriter(self.target, identity=self._identity, n_frames=-(-n_steps // run.every))
        state = self._recorder.restart_state()
        if state is None:
            run.begin(*initial)
        else:
            run.restore(state)
            say(f"resuming at step {run.step} of {n_steps}")
        try:
            run.run(n_steps)
        finally:
            self._line.close()
        summary = outcome(run)
        self._recorder.finish({**metadata, "on_the_fly": summary})
        return summary

    def train(self, number: int, splits: dict[str, Trajectory]) -> VelocityPredictor:
        """As the rounds do."""
        train, val = splits["train"], splits["val"]
        pieces = f"{train.n_replicas} known stretches of {len(train)} steps"
        self._line.say(f"training {number}: on {pieces}, tested on {val.n_replicas} of {len(val)}")
        return self.rounds.train(number, splits)

    def load(self, number: int) -> VelocityPredictor:
        """As the rounds do."""
        return self.rounds.load(number)

    def keep(self, frames: Trajectory) -> None:
        """Into the recording."""
        self._recorder.append(frames.to("cpu"))

    def save(self, state: dict[str, Any]) -> None:
        """Save the point from which the recording is resumed."""
        self._recorder.commit(state)

    def tell(self, progress: RunProgress, news: str | None) -> None:
        """The live line, and news above it."""
        self._line(**asdict(progress), news=news)


def outcome(run: OnTheFly) -> dict[str, Any]:
    """The result of a finished run, in plain values."""
    return {
        "standing": vars(run.standing).copy(),
        "frequency": run.frequency,
        "force_calls": run.n_force_calls,
        "warmup_force_calls": run.propagator.n_warmup_calls,
        "mean_energy_eV": run.watch.mean_energy.tolist(),
        "ledger": run.ledger.state_dict(),
        "signals": [(signal.step, signal.disagreement, signal.energy_excess) for signal in run.signals],
        "trials": [(number, verdict.error, verdict.passes) for number, verdict in run.verdicts.items()],
    }

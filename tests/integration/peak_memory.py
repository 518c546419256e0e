"""Peak memory of simulations of some lengths, each in its own process: peak_memory.py CHECKPOINT FOLDER STEPS ..."""

import os
import resource
import sys
from pathlib import Path

import torch
from cli.running import simulate

from mlmd.evaluation import chunked_frames, evaluation_plan
from mlmd.io import trajectory_layout as layout
from mlmd.observables import accumulators
from mlmd.propagation import simulate_to_file as record

SIZE = ("n_replicas=256", "start_step=32", "every=1")


def bound_everything() -> None:
    """What is held at once is made small beside a run of some seconds."""
    record.PIECE_BYTES = layout._BLOCK_BYTES = chunked_frames.CHUNK_BYTES = 2**20
    accumulators.EXACT_VALUES, accumulators.SEGMENT_FRAMES = 10_000, 256
    accumulators.N_BINS = 2**10
    evaluation_plan.VACF_FS = 50.0
    record.SAVE_EVERY_S = 0.1


def measured(checkpoint: Path, folder: Path, n_steps: int) -> float:
    """MB."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        simulate(folder / f"{n_steps}", checkpoint, *SIZE, f"n_steps={n_steps}", injection="never")
        os.write(writer, f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as report:
        peak = float(report.read())
    os.waitpid(child, 0)
    return peak


if __name__ == "__main__":
    # Threads do not survive a fork.
    torch.set_num_threads(1)
    checkpoint, folder, *lengths = sys.argv[1:]
    bound_everything()
    # What is imported and cached by a first run is the same for all.
    simulate(Path(folder) / "first", Path(checkpoint), *SIZE, "n_steps=300", injection="never")
    for n_steps in map(int, lengths):
        print("peak of", n_steps, "steps:", measured(Path(checkpoint), Path(folder), n_steps), flush=True)

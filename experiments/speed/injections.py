"""Part 3: whole runs with injections, and what one injection costs beside one Hamiltonian call."""

from collections.abc import Callable, Iterable, Iterator

from cases import Case, Rollout, make_rollout
from contenders import FRAME_STRIDE, Entry, entries, is_sound
from results import Row
from timing import Contender, calls, calls_to_fill, in_turns, statistics_of

from mlmd.propagation import EnergyAnchor, Injection, Periodic, Propagator, reference_dynamics

SCHEDULES: dict[str, Callable[[], Injection]] = {
    "never": lambda: Injection(Periodic(0.0)),
    "every_100": lambda: Injection(Periodic(0.01)),
    "every_100_anchored": lambda: Injection(Periodic(0.01, spread=0.25), EnergyAnchor()),
    "always": lambda: Injection(Periodic(1.0)),
    "always_anchored": lambda: Injection(Periodic(1.0), EnergyAnchor()),
}
"""The last two inject at every step: the time of one of their steps is the cost of one injection."""

RUN_STEPS, VERLET_STEPS = 1000, 100


def measure(
    *, threads: Iterable[int], n_repeats: int, sample_s: float, fast: bool, only: Iterable[str] | None = None
) -> Iterator[Row]:
    """Rows of whole runs (per MD step), of Verlet (per MD step) and of the Hamiltonian (per call)."""
    for n_replicas in (1, 32) if fast else (1, 32, 1024):
        rollout = make_rollout(Case(), n_replicas)
        for n_threads in threads:
            contestants = [entry for entry in entries([n_threads], only=only) if entry.threads == n_threads]
            runs: dict[tuple[str, str, str, str], Contender] = {}
            for entry in contestants:
                placed = rollout.on(entry.device)
                for name, make in SCHEDULES.items():
                    whole = Run(placed.propagator(entry.make(), make(), device=entry.device), placed)
                    n_steps = RUN_STEPS // 10 if name.startswith("always") or fast else RUN_STEPS
                    runs["whole run", name, entry.engine, entry.device] = whole.contender(n_steps, entry)
            for device in dict.fromkeys(entry.device for entry in contestants):
                placed = rollout.on(device)
                runs["Verlet", "", "", device] = _verlet(placed, device, n_threads)
                runs["Hamiltonian call", "", "", device] = _hamiltonian(placed, device, n_threads, sample_s)
            samples = in_turns({str(number): run for number, run in enumerate(runs.values())}, n_repeats=n_repeats)
            for ((what, schedule, engine, device), run), took in zip(runs.items(), samples.values(), strict=True):
                place = {"n_replicas": n_replicas, "engine": engine, "device": device, "threads": n_threads}
                yield _row({"what": what, "schedule": schedule, **place}, run, took)


class Run:
    """A propagator that goes through the same steps every time."""

    def __init__(self, propagator: Propagator, rollout: Rollout) -> None:
        self.propagator = propagator
        self.rollout = rollout
        self.saved = propagator.state_dict()

    def contender(self, n_steps: int, entry: Entry) -> Contender:
        """For the stopwatch, which counts MD steps."""

        def work() -> None:
            self.propagator.advance(n_steps, every=FRAME_STRIDE)

        work()
        if not is_sound(self.propagator.state, self.rollout):
            raise RuntimeError(f"a run with {entry.engine} left physics within {n_steps} steps")
        return Contender(
            work,
            n_steps,
            prepare=lambda: self.propagator.rewind(self.saved),
            threads=entry.threads,
            on_gpu=entry.device == "cuda",
        )


def _verlet(rollout: Rollout, device: str, n_threads: int) -> Contender:
    propagator = Propagator.begin(reference_dynamics(rollout.system, device=device), *rollout.initial)

    def work() -> None:
        propagator.advance(VERLET_STEPS, every=FRAME_STRIDE)

    return Contender(work, VERLET_STEPS, threads=n_threads, on_gpu=device == "cuda")


def _hamiltonian(rollout: Rollout, device: str, n_threads: int, sample_s: float) -> Contender:
    def work() -> None:
        rollout.system.hamiltonian.energy_and_forces(rollout.state.positions)

    n_calls = calls_to_fill(work, sample_s=sample_s)
    return Contender(calls(work, n_calls), n_calls, threads=n_threads, on_gpu=device == "cuda")


def _row(what: Row, run: Contender, samples_us: list[float]) -> Row:
    statistics = statistics_of(samples_us)
    words = ", ".join(word for word in (what["what"], what["schedule"], what["engine"]) if word)
    print(
        f"injections: {words}, {what['n_replicas']:,} replicas on {what['device']}, {what['threads']} thread(s): "
        f"{statistics['median_us']:,} us",
        flush=True,
    )
    return {**what, "n_units": run.n_units, **statistics}

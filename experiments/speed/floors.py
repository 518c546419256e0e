"""Part 2: what this machine can do at best: matrix products, memory traffic, reading weights from cache."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from cases import Case
from engines import cases
from machine import l2_bytes
from results import Row
from timing import Contender, calls, calls_to_fill, in_turns

SQUARES = {"cpu": (256, 512, 1024, 2048), "cuda": (1024, 2048, 4096, 8192)}
PRECISIONS = {"sgemm": "highest", "tf32": "high"}
"""Of float32 products: as they are, and on a GPU's tensor cores, which round their factors."""

COPY_BYTES = 2**28
"""Of one buffer: far beyond any L2, and beyond the share of an L3 that a core can count on."""

CACHED_COPY_BYTES = 2**22
READ_SIZES = (2**13, 2**14)
"""Bytes that lie in L1, whose bandwidth is read from them."""


def measure(*, threads: Iterable[int], n_repeats: int, sample_s: float, fast: bool) -> Iterator[Row]:
    """Best rates of this machine, one row each; ``best`` because a floor is what was possible, not what is usual."""
    devices = [("cpu", n_threads) for n_threads in threads]
    devices += [("cuda", 1)] if torch.cuda.is_available() else []
    for device, n_threads in devices:
        place = {"device": device, "threads": n_threads, "n_repeats": n_repeats}
        for quantity in PRECISIONS if device == "cuda" else ("sgemm",):
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision(PRECISIONS[quantity])
            for shape, gflops in _products(device, n_threads, n_repeats, sample_s, fast):
                yield _result_row(place, quantity, "x".join(map(str, shape)), gflops, "GFLOP/s")
            torch.set_float32_matmul_precision(before)
        for size in (CACHED_COPY_BYTES, COPY_BYTES):
            yield _result_row(
                place, "copy", f"{size} bytes", _copy(device, n_threads, n_repeats, sample_s, size), "GB/s"
            )
    place = {"device": "cpu", "threads": 1, "n_repeats": n_repeats}
    weights = sorted({case.weight_bytes for case, _ in cases(fast=fast)})
    for size in (*READ_SIZES, *weights):
        rate = _cached_read(size, n_repeats, sample_s)
        if rate is None:
            print("floors: reading from cache is left out, numba is not there", flush=True)
            return
        yield _result_row(place, "cached read", f"{size} bytes", rate, "GB/s")


def _result_row(place: Row, quantity: str, what: str, value: float, unit: str) -> Row:
    print(f"floors: {quantity} {what}, {place['device']}, {place['threads']} thread(s): {value:.4g} {unit}", flush=True)
    return {**place, "quantity": quantity, "what": what, "value": float(f"{value:.5g}"), "unit": unit}


def _products(
    device: str, n_threads: int, n_repeats: int, sample_s: float, fast: bool
) -> Iterator[tuple[tuple[int, int, int], float]]:
    """(M, K, N) and the best rate of [M, K] x [K, N] in float32: large squares, and the products of the networks."""
    torch.set_num_threads(n_threads)
    networks = {product for case, _ in cases(fast=fast) for product in case.products if product[1] > 8}
    batches = (64, 1024) if fast else (64, 1024, 16384)
    squares = SQUARES[device][:2] if fast else SQUARES[device]
    shapes = [(size, size, size) for size in squares]
    shapes += [(m, k, n) for m, (k, n) in itertools.product(batches, sorted(networks))]
    for m, k, n in shapes:
        left, right = torch.randn(m, k, device=device), torch.randn(k, n, device=device)
        out = torch.empty(m, n, device=device)
        took_us = _best_us(lambda a=left, b=right, c=out: torch.mm(a, b, out=c), device, n_threads, n_repeats, sample_s)
        yield (m, k, n), 2e-3 * m * k * n / took_us


def _copy(device: str, n_threads: int, n_repeats: int, sample_s: float, size: int) -> float:
    """GB/s of a copy, bytes read and bytes written both counted."""
    torch.set_num_threads(n_threads)
    source = torch.randn(size // 4, device=device)
    target = torch.empty_like(source)
    took_us = _best_us(lambda: target.copy_(source), device, n_threads, n_repeats, sample_s)
    return 2e-3 * size / took_us


def _cached_read(size: int, n_repeats: int, sample_s: float) -> float | None:
    """GB/s of one core that reads ``size`` bytes over and over inside one compiled call."""
    try:
        from reading import read_over_and_over
    except ImportError:
        return None
    values = _aligned(size // 4)
    n_passes = max(1, int(sample_s * 5e10 / size))
    took_us = _best_us(lambda: read_over_and_over(values, n_passes), "cpu", 1, n_repeats, sample_s)
    return 1e-3 * values.nbytes * n_passes / took_us


def _aligned(n: int) -> np.ndarray:
    """Random float32 numbers that begin with a cache line: one that straddles two is read at half the rate."""
    values = np.random.default_rng(0).random(n + 16, dtype=np.float32)
    first = -values.ctypes.data % 64 // 4
    return values[first : first + n]


def _best_us(work: Any, device: str, n_threads: int, n_repeats: int, sample_s: float) -> float:
    """Microseconds of one call at its best of all samples."""
    n_calls = calls_to_fill(work, sample_s=sample_s)
    contender = Contender(calls(work, n_calls), n_calls, threads=n_threads, on_gpu=device == "cuda")
    return min(in_turns({"": contender}, n_repeats=n_repeats)[""])


class Floors:
    """The least time of a step, from measured rates.

    Args:
        rows: what ``measure`` gave.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def rate(self, quantity: str, device: str, threads: int, *, what: str | None = None) -> float | None:
        """The best rate of this kind, of one thing or of all."""
        rates = [
            row["value"]
            for row in self.rows
            if (row["quantity"], row["device"], row["threads"]) == (quantity, device, threads)
            and what in (None, row["what"])
        ]
        return max(rates, default=None)

    def products_us(self, case: Case, n_replicas: int, device: str, threads: int) -> float | None:
        """Matrix products of one step at the best rate measured at any shape."""
        rate = self.rate("sgemm", device, threads)
        return None if rate is None else 2e-3 * case.macs * n_replicas / rate

    def same_shapes_us(self, case: Case, n_replicas: int, device: str, threads: int) -> float | None:
        """The layers' products of one step as PyTorch multiplies just these shapes."""
        total = 0.0
        for k, n in case.products[:-1]:
            rate = self.rate("sgemm", device, threads, what=f"{n_replicas}x{k}x{n}")
            if rate is None:
                return None
            total += 2e-3 * n_replicas * k * n / rate
        return total

    def traffic_us(
        self, case: Case, n_replicas: int, device: str, threads: int, *, steps: int, stride: int
    ) -> tuple[float, float] | None:
        """Time for bytes at the copy's bandwidth: as few as must move, and as many as move step by step.

        The least: state in and out once a stretch, frames out every ``stride`` steps. Step by step: weights in, state
        in and out, every step, as far as they do not stay in the L2 caches of the threads.
        """
        rate = self.rate("copy", device, threads, what=f"{COPY_BYTES} bytes")
        if rate is None:
            return None
        frame = 3 * 8 * 3 * case.n_atoms
        least = n_replicas * (2 * case.state_bytes / steps + frame / stride)
        streamed = n_replicas * 2 * case.state_bytes + case.weight_bytes
        if n_replicas * case.state_bytes + case.weight_bytes <= (l2_bytes() * threads if device == "cpu" else 0):
            streamed = 0
        return 1e-3 * least / rate, 1e-3 * (streamed + n_replicas * frame / stride) / rate

    def weights_us(self, case: Case) -> float | None:
        """One core reads the weights once from whatever cache holds them."""
        rate = self.rate("cached read", "cpu", 1, what=f"{case.weight_bytes} bytes")
        return None if rate is None else 1e-3 * case.weight_bytes / rate

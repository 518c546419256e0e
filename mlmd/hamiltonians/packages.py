"""Packages that only some methods need, and their threads."""

import ctypes
import functools
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from mlmd.errors import ConfigError


def require(package: str, *, method: str) -> None:
    """See that a package of the extra ``qm`` is installed, without importing it.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{method} needs {package}, which is not installed: pip install 'mlmd[qm]'")


@contextmanager
def one_thread(library: str) -> Iterator[None]:
    """One OpenMP thread for the calls of a shared library.

    A molecule of a few atoms has no work for more: two of them take tblite ten times as long where something else runs,
    and sums in another order change the last digits. Replicas are what is shared, by ``n_processes``.

    Args:
        library: path of the library; the OpenMP that it is linked with is found through it.
    """
    openmp = _openmp(library)
    if openmp is None or (before := openmp.omp_get_max_threads()) == 1:
        yield
        return
    openmp.omp_set_num_threads(1)
    try:
        yield
    finally:
        openmp.omp_set_num_threads(before)


@functools.cache
def _openmp(library: str) -> ctypes.CDLL | None:
    """The library, if OpenMP's functions can be called through it."""
    loaded = ctypes.CDLL(library)
    return loaded if hasattr(loaded, "omp_set_num_threads") else None

"""``engine=numba``: a learned stretch in one compiled call on the CPU."""

from mlmd.propagation.engines.cpu.engine import NumbaEngine
from mlmd.propagation.engines.cpu.geometry import has_compiled_form

__all__ = ["NumbaEngine", "has_compiled_form"]

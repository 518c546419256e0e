"""``engine=cuda``: one persistent Triton kernel per stretch, or CUDA graphs; Triton is imported when it is needed."""

from mlmd.propagation.engines.cuda.engine import CudaEngine

__all__ = ["CudaEngine"]

"""``engine=cuda``: one persistent Triton kernel a stretch, CUDA graphs where it does not fit. Triton comes late."""

from mlmd.propagation.engines.cuda.engine import CudaEngine

__all__ = ["CudaEngine"]

"""Compiles the Triton kernel for compute capability 9.0, on a machine without a GPU; ``test_cuda_kernel`` runs it.

Prints a line for each network: name, expected bytes of shared memory, bytes it takes, bytes of stack a thread has.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HALF, DOUBLE, INTEGER = "*fp16", "*fp64", "i32"
SINGLE = ("hidden", "cell", "hidden_out", "cell_out", "biases", "head")
INTEGERS = ("n_steps", "n_replicas", "until_frame", "first_frame", "every", "phase")


def compile_kernel(shapes: Any) -> Any:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from mlmd.propagation.engines.cuda.kernel import VARYING, stretch

    constants = shapes.constants() | {"FOLLOWS": False}
    types = {"weights": HALF} | dict.fromkeys(SINGLE, "*fp32") | dict.fromkeys(INTEGERS, INTEGER)
    names = stretch.arg_names
    signature = {name: "constexpr" if name in constants else types.get(name, DOUBLE) for name in names}
    aligned = [name for name in names if name not in constants and name not in VARYING]
    source = ASTSource(
        fn=stretch,
        signature=signature,
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    options = {"num_warps": shapes.n_warps, "num_stages": 1, "enable_fp_fusion": True}
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)


def stack_bytes(kernel: Any, folder: Path) -> int:
    import triton

    file = folder / "kernel.cubin"
    file.write_bytes(kernel.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    usage = subprocess.run([str(tool), "-res-usage", str(file)], capture_output=True, text=True, check=True).stdout
    found = re.search(r"STACK:(\d+)", usage)
    assert found, usage
    return int(found.group(1))


def main(folder: Path) -> None:
    from mlmd.models import PredictorSpec, VelocityPredictor
    from mlmd.propagation.engines.cuda import CudaEngine
    from mlmd.propagation.engines.cuda.shapes import KernelShapes

    assert "triton" not in sys.modules, f"{CudaEngine.__module__} must not import triton before it is used"

    for name, components, hidden_size in (("DuR0-2x32", "molecular", 32), ("3uR0-2x64", "cartesian", 64)):
        spec = PredictorSpec(
            components=components,
            target="update",
            coordinate_frames=0,
            frame="lab",
            hidden_size=hidden_size,
            n_layers=2,
            shortcut=True,
            memory_kind="carried",
            memory_length=None,
            memory_warmup=8,
            system="HCl",
            symbols=("H", "Cl"),
            masses_u=(1.0, 35.0),
            dt_fs=0.5,
        )
        shapes = KernelShapes.of(VelocityPredictor(spec))
        kernel = compile_kernel(shapes)
        print(name, shapes.shared_bytes, kernel.metadata.shared, stack_bytes(kernel, folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

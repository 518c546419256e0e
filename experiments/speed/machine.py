"""What was measured on, as words for the tables: processor, cores, libraries, GPU."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from mlmd.io.provenance import code_version

PACKAGES = ("torch", "numpy", "numba", "triton", "ase", "tblite", "pyscf")


def machine() -> dict[str, str | int | None]:
    """The machine and the software of a measurement, as plain values."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "caches": _caches(),
        "gpu": gpu,
        "gpu_memory_GiB": None if gpu is None else round(torch.cuda.get_device_properties(0).total_memory / 2**30),
        "load_average_at_start": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else None,
        "platform": platform.system(),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "code": code_version(),
        "measured_utc": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def spoken(values: dict[str, str | int | None], *, packages: tuple[str, ...] = PACKAGES) -> str:
    """One line for a page or a caption.

    >>> spoken({"cpu": "A CPU", "cores": 2, "gpu": None, "torch": "2.13", "numba": None})
    'A CPU, 2 cores, no GPU; torch 2.13'
    """
    if not values:
        return "Machine unknown"
    gpu = values["gpu"] or "no GPU"
    versions = ", ".join(f"{package} {values[package]}" for package in packages if values.get(package))
    return f"{values['cpu']}, {values['cores']} cores, {gpu}; {versions}"


def _cpu_model() -> str:
    """Name of the processor, with family and model where the name alone says little (a virtual machine's)."""
    fields: dict[str, str] = {}
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or platform.machine()
    for line in info.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    words = [word for word in ("avx2", "avx512f", "amx_bf16") if word in fields.get("flags", "").split()]
    name = fields.get("model name", platform.machine())
    model = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    return f"{name}{model}" + (f" with {', '.join(words)}" if words else "")


def _caches() -> str:
    """Sizes of the caches that core 0 sees."""
    words = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            words.append(f"L{level} {size}")
    return ", ".join(words)


def l2_bytes() -> int:
    """Size of the L2 cache of one core, bytes; 1 MiB where it cannot be read."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (index / "level").read_text(encoding="utf-8").strip() == "2":
            size = (index / "size").read_text(encoding="utf-8").strip()
            return int(size[:-1]) * {"K": 2**10, "M": 2**20}[size[-1]]
    return 2**20


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

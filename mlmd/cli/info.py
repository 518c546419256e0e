"""``mlmd info``: the versions, engines, devices, extras and configuration folders that this installation has."""

import argparse
import importlib.util
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import mlmd
from mlmd.cli.program import CONF

LIBRARIES = ("torch", "lightning", "hydra-core", "numpy", "ase", "h5py", "numba")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is installed.

    Args:
        arguments: ``--json`` prints one JSON object; those of the process if not given.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="mlmd info", description="Print versions, engines, devices, extras and the configuration folder."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    facts = installation()
    print(json.dumps(facts, indent=2) if parser.parse_args(arguments).json else as_text(facts))
    return 0


def installation() -> dict[str, Any]:
    """The facts that ``mlmd info`` prints, as plain values; only PyTorch is imported, for its devices."""
    devices = _devices()
    return {
        "mlmd": mlmd.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "devices": devices,
        "engines": _engines(has_gpu=len(devices) > 1),
        "extras": _extras(),
        "configuration": {"folder": str(CONF), "search path": f"folder given as --config-dir, {CONF}"},
    }


def as_text(facts: Mapping[str, Any]) -> str:
    """The facts as lines, one section per mapping.

    >>> print(as_text({"mlmd": "1.0", "engines": {"eager": "available"}}))
    mlmd          1.0
    engines
      eager       available
    """
    lines = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            lines += [name, *(f"  {key:<11} {fact or 'not installed'}" for key, fact in value.items())]
        else:
            lines.append(f"{name:<13} {value}")
    return "\n".join(lines)


def _version(package: str) -> str | None:
    """The version of an installed package, None if it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, str]:
    """Names of the devices that PyTorch can compute on."""
    import torch

    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {"cpu": f"{os.cpu_count()} cores"} | {f"cuda:{number}": name for number, name in enumerate(names)}


def _engines(*, has_gpu: bool) -> dict[str, str]:
    """Which engines can advance a learned stretch here, and why the others cannot."""
    numba, triton = (importlib.util.find_spec(package) is not None for package in ("numba", "triton"))
    missing = [] if has_gpu else ["no usable CUDA device"]
    missing += [] if triton else ["triton is not installed"]
    return {
        "eager": "available",
        "numba": "available" if numba else "not available: numba is not installed",
        "cuda": f"not available: {', '.join(missing)}" if missing else "available",
    }


def _extras() -> dict[str, str]:
    """Every extra of the package: installed, or the missing packages and the command that installs them."""
    try:
        package = metadata.metadata("mlmd")
    except metadata.PackageNotFoundError:
        return {"unknown": "mlmd itself is not installed: pip install -e . in the checkout"}
    answers = {}
    for extra in package.get_all("Provides-Extra") or []:
        missing = [name for name in _packages_of(extra) if _version(name) is None]
        cure = f"missing {', '.join(missing)}: pip install 'mlmd[{extra}]'"
        answers[extra] = cure if missing else "installed"
    return answers


def _packages_of(extra: str) -> list[str]:
    """Names of the packages that an extra adds on this platform, those of the extras inside it included."""
    from packaging.requirements import Requirement

    names = []
    for requirement in map(Requirement, metadata.requires("mlmd") or []):
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == "mlmd":
            names += [name for inner in sorted(requirement.extras) for name in _packages_of(inner)]
        else:
            names.append(requirement.name)
    return names

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from mlmd.hamiltonians import HarmonicBond, MorseBond
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.state import Trajectory
from mlmd.systems import RotatingRegime, System, diatomic

torch.set_num_threads(1)

# The first example of a test pays for imports and allocations, which a deadline would take for slowness.
settings.register_profile("mlmd", deadline=None)
settings.load_profile("mlmd")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def hcl_harmonic() -> System:
    return diatomic(name="HCl", dt_fs=0.5, hamiltonian=HarmonicBond)


@pytest.fixture(scope="session")
def hcl_morse() -> System:
    return diatomic(name="HCl", dt_fs=0.5, hamiltonian=MorseBond)


@pytest.fixture(scope="session")
def rotating_states() -> Callable[..., Any]:
    """Initial positions and velocities of vibrating and rotating replicas."""

    def draw(system: System, n_replicas: int = 3, *, seed: int = 1) -> Any:
        return RotatingRegime(4.0, 1.0).draw(system, n_replicas, generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture(scope="session")
def reference(rotating_states: Any) -> Callable[..., Trajectory]:
    """A short reference trajectory of rotating replicas."""

    def run(system: System, n_steps: int = 120, n_replicas: int = 3) -> Trajectory:
        propagator = Propagator.begin(reference_dynamics(system), *rotating_states(system, n_replicas))
        return propagator.advance(n_steps)

    return run


@pytest.fixture(scope="session")
def make_spec(hcl_harmonic: System) -> Callable[..., PredictorSpec]:
    """A small predictor specification of HCl; keywords change its fields."""

    def make(**changes: Any) -> PredictorSpec:
        plain = {
            "components": "molecular",
            "target": "update",
            "coordinate_frames": 0,
            "frame": "lab",
            "hidden_size": 5,
            "n_layers": 2,
            "shortcut": True,
            "memory_kind": "carried",
            "memory_length": None,
            "memory_warmup": 8,
            "system": hcl_harmonic.name,
            "symbols": hcl_harmonic.symbols,
            "masses_u": hcl_harmonic.masses_u,
            "dt_fs": hcl_harmonic.dt_fs,
        }
        return PredictorSpec(**(plain | changes))

    return make


@pytest.fixture(scope="session")
def make_predictor(make_spec: Any) -> Callable[..., VelocityPredictor]:
    """A predictor in double precision, its scales fitted on a trajectory, its head random instead of silent.

    ``says`` scales what the network says; 0 leaves the linear shortcut alone.
    """

    def make(trajectory: Trajectory, *, says: float = 1.0, noise: float = 0.0, **changes: Any) -> VelocityPredictor:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            predictor = VelocityPredictor(make_spec(**changes))
            torch.nn.init.normal_(predictor.network.head.weight, std=says)
        predictor.network.double()
        features, targets = predictor.training_pairs(trajectory)
        predictor.scaling.fit(features.flatten(0, 1), targets.flatten(0, 1), noise=noise)
        return predictor.eval()

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that is installed on the machine; nothing is downloaded.

    For one module: while it is open, nobody else can run an asyncio loop.
    """
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        message = "no Chromium is installed (apt-get install chromium)"
        if os.environ.get("MLMD_REQUIRE_BROWSER"):
            pytest.fail(f"{message}, and MLMD_REQUIRE_BROWSER is set")
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root, which containers run tests as, has no sandbox.
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser) -> Iterator[Callable[..., Any]]:
    """A file opened in the browser; at the end nothing may have been asked for or complained about."""
    asked, complaints, contexts = [], [], []

    def open_file(path: Path, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.resolve().as_uri())
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)

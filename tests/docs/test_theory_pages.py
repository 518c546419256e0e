"""Numbers on the theory and how-to pages are those of the code."""

import inspect
from pathlib import Path

import pytest
import yaml

from mlmd.decomposition.domain import LARGEST_STRAIN
from mlmd.observables import dynamics, internal_motion, spectral_lines
from mlmd.on_the_fly.validation import MAX_STARTS
from mlmd.propagation import EnergyAnchor
from mlmd.propagation.divergence import DivergenceGuard
from mlmd.propagation.modified_energy import BACKWARD_DIFFERENCE

DOCS = Path(__file__).parents[2] / "docs"
COUNTS = {4: "four", 8: "eight", 16: "sixteen"}
GUARD, ANCHOR = DivergenceGuard(), EnergyAnchor()
NUMBERS = {
    "theory/injections.md": [
        f"`least_share` ({ANCHOR.least_share})",
        f"`largest_change` ({ANCHOR.largest_change})",
        f"every {GUARD.check_every} steps",
        f"below {GUARD.shortest} or above {GUARD.longest:g} times",
        f"from up to {COUNTS[MAX_STARTS]} starts",
    ],
    "theory/decomposition.md": [f"strain above {LARGEST_STRAIN} counts"],
    "theory/measures.md": [
        f"below {internal_motion.BONDED}",
        f"within\n{internal_motion.SAME_LINE_CM1:g} cm⁻¹ is one line",
        f"within {100 * spectral_lines.WINDOW_SHARE:g} % or {spectral_lines.WINDOW_CM1:g} cm⁻¹",
        f"${dynamics.HANN_WIDTH_BINS} / (c \\, T)$",
        "four times its\nlength" if dynamics.PADDING == 4 else "another padding",
    ],
}


@pytest.mark.parametrize(("page", "text"), [(page, text) for page, texts in NUMBERS.items() for text in texts])
def test_a_number_is_that_of_the_code(page, text):
    words = " ".join((DOCS / page).read_text(encoding="utf-8").split())
    assert " ".join(text.split()) in words


def test_the_backward_difference_is_that_of_the_code():
    assert BACKWARD_DIFFERENCE == (11 / 6, -3, 3 / 2, -1 / 3)
    page = (DOCS / "theory/integrator.md").read_text(encoding="utf-8")
    assert r"\frac{11}{6} u_n - 3 u_{n-1} + \frac{3}{2} u_{n-2} - \frac{1}{3} u_{n-3}" in page


def test_the_slurm_page_has_the_defaults_and_names_of_the_launcher():
    launcher = pytest.importorskip("hydra_plugins.hydra_submitit_launcher.config", reason="pip install -e '.[sweep]'")
    page = (DOCS / "howto/slurm.md").read_text(encoding="utf-8")
    cells = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| `hydra.")]
    rows = {name.strip("`").removeprefix("hydra."): default for name, _, default in cells}
    chosen = yaml.safe_load((DOCS.parent / "conf/sweep/slurm.yaml").read_text(encoding="utf-8"))["hydra"]
    for part, values in chosen.items():
        for key, value in values.items():
            assert rows[f"{part}.{key}"] == str(value), key
    known = inspect.signature(launcher.SlurmQueueConf).parameters
    assert {key.split(".")[1] for key in rows if key.startswith("launcher.")} <= set(known)

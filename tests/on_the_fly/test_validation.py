import math

import pytest
import torch

from mlmd.on_the_fly import try_predictor
from mlmd.propagation import EagerEngine


@pytest.fixture
def known(hcl_harmonic, reference):
    return reference(hcl_harmonic, 120)


def tried(predictor, known, system, *, n_steps=60, allowed=0.05):
    return try_predictor(predictor, known, EagerEngine(), n_steps=n_steps, allowed=allowed, masses=system.masses())


def test_an_exact_predictor_passes(known, hcl_harmonic, make_predictor):
    verdict = tried(make_predictor(known, says=0.0), known, hcl_harmonic)
    assert verdict.passes
    assert verdict.error < 1e-9


def test_the_error_is_that_of_the_velocities(known, hcl_harmonic, make_predictor):
    predictor = make_predictor(known, says=0.0)
    predictor.scaling.weights.zero_()  # nothing is kicked: every atom keeps its velocity
    verdict = tried(predictor, known, hcl_harmonic, n_steps=1)
    roots = hcl_harmonic.masses().sqrt().unsqueeze(-1)
    after = (known.velocities_after * roots).flatten(2)
    starts = torch.tensor(sorted({round(i * (120 - predictor.n_history - 1) / 7) for i in range(8)}))
    at = starts + predictor.n_history
    kicks = (known.kicks * roots).flatten(2)[:, at].norm(dim=-1)
    mean = predictor.scaling.intercept
    assert float(mean.abs().max()) < 2e-4
    expected = float(kicks.max() / after[:, at].square().sum(-1).mean().sqrt())
    assert verdict.error == pytest.approx(expected, rel=0.05)
    assert not verdict.passes


def test_a_predictor_that_diverges_does_not_pass(known, hcl_harmonic, make_predictor):
    predictor = make_predictor(known, says=0.0)
    predictor.scaling.weights.mul_(-1e200)
    verdict = tried(predictor, known, hcl_harmonic)
    assert verdict.error == math.inf
    assert not verdict.passes

import copy

import pytest
import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.models import StackedLSTM
from mlmd.training.optimizers import OptimizerPlan, SoapPlan
from mlmd.training.soap import SOAP

PLAN = {"learning_rate": 1e-2, "schedule": "one_cycle", "weight_decay": 0.0, "gradient_clip": 1.0}


def parameter(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).requires_grad_()


def steps(optimizer: torch.optim.Optimizer, weights: list[Tensor], n_steps: int, *, seed: int = 1) -> None:
    """Steps along gradients that depend on nothing but the seed."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n_steps):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        optimizer.step()


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 7)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
def test_the_first_step_is_the_gradients_orthogonal_factor(shape, scale):
    weight = parameter(*shape)
    before = weight.detach().clone()
    weight.grad = parameter(*shape, seed=2, scale=scale).detach()
    left, _, right = torch.linalg.svd(weight.grad, full_matrices=False)
    SOAP([[weight]], learning_rate=0.1).step()
    torch.testing.assert_close((before - weight) / 0.1, left @ right, rtol=0, atol=1e-3)  # Adam's floor of 1e-8


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_without_directions_to_choose_it_is_adam(weight_decay):
    ours, theirs = parameter(1, 1), parameter(1, 1)
    steps(SOAP([[ours]], learning_rate=0.1, weight_decay=weight_decay), [ours], 25)
    adam = torch.optim.AdamW([theirs], lr=0.1, betas=(0.95, 0.9), weight_decay=weight_decay)
    steps(adam, [theirs], 25)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_a_block_is_one_matrix():
    whole = parameter(5, 4)
    parts = [part.detach().clone().requires_grad_() for part in (whole[:, :2], whole[:, 2:3], whole[:, 3])]
    one, many = SOAP([[whole]], learning_rate=0.1), SOAP([parts], learning_rate=0.1)
    for seed in range(15):
        whole.grad = parameter(5, 4, seed=seed).detach()
        for part, gradient in zip(parts, (whole.grad[:, :2], whole.grad[:, 2:3], whole.grad[:, 3]), strict=True):
            part.grad = gradient.clone()
        one.step()
        many.step()
    torch.testing.assert_close(torch.cat([part.reshape(5, -1) for part in parts], dim=1), whole, rtol=0, atol=1e-12)


def test_the_bases_stay_orthogonal_and_find_the_covariance():
    weight, turn = parameter(6, 6), torch.linalg.qr(parameter(6, 6, seed=3).detach())[0]
    optimizer, generator = SOAP([[weight]], learning_rate=1e-3), torch.Generator().manual_seed(4)
    sizes = torch.tensor([100.0, 30.0, 10.0, 3.0, 1.0, 0.3], dtype=torch.float64)
    for _ in range(400):
        weight.grad = turn @ (sizes.unsqueeze(-1) * torch.randn(6, 6, generator=generator, dtype=torch.float64))
        optimizer.step()
    basis = optimizer.state[weight]["rows_basis"]
    torch.testing.assert_close(basis.mT @ basis, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-12)
    assert float((basis.mT @ turn).abs().diagonal().min()) > 0.9


def test_gradients_of_zero_move_nothing():
    weight = parameter(4, 3)
    before = weight.detach().clone()
    optimizer = SOAP([[weight]], learning_rate=0.1)
    for _ in range(25):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    assert torch.equal(weight, before)


def test_the_value_of_the_closure_comes_back():
    weight = parameter(2, 2)

    def closure() -> Tensor:
        loss = weight.square().sum()
        loss.backward()
        return loss

    expected = weight.detach().square().sum()
    assert torch.equal(SOAP([[weight]], learning_rate=0.1).step(closure), expected)


def test_it_goes_on_from_a_stored_state_bit_for_bit(tmp_path):
    weights = [parameter(5, 3), parameter(5)]
    optimizer = SOAP([weights], learning_rate=0.1)
    steps(optimizer, weights, 13)
    torch.save({"weights": weights, "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    stored = torch.load(tmp_path / "state.pt", weights_only=True)
    again = SOAP([stored["weights"]], learning_rate=0.1)
    again.load_state_dict(stored["optimizer"])
    steps(optimizer, weights, 14, seed=9)
    steps(again, stored["weights"], 14, seed=9)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(weights, stored["weights"], strict=True))


def test_a_plan_has_a_block_for_every_layer_and_the_head():
    network = StackedLSTM(5, 2, hidden_size=4, n_layers=3)
    groups = SoapPlan(**PLAN).optimizer(network).param_groups
    assert [len(group["params"]) for group in groups] == [4, 4, 4, 2]
    blocked = {id(weight) for group in groups for weight in group["params"]}
    assert blocked == {id(weight) for weight in network.parameters()}


def test_the_rate_of_a_plan_rises_over_its_warm_up():
    network = StackedLSTM(2, 1, hidden_size=2, n_layers=1)
    rates = []
    plan = SoapPlan(**PLAN, warmup=0.25)
    optimizer = plan.optimizer(network)
    scheduler = plan.scheduler(optimizer, 40)
    assert scheduler is not None
    for _ in range(39):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(1e-2)
    assert all(group["betas"] == (0.95, 0.9) for group in optimizer.param_groups), "the cycle leaves them alone"
    assert SoapPlan(**PLAN | {"schedule": "constant"}).scheduler(optimizer, 40) is None


@pytest.mark.parametrize("warmup", [0.0, 1.0, -0.1])
def test_a_plan_refuses_a_warm_up_out_of_range(warmup):
    with pytest.raises(ConfigError, match=r"optimizer\.warmup = .* must lie between 0 and 1"):
        SoapPlan(**PLAN, warmup=warmup)


def test_it_lowers_the_loss_of_an_lstm_further_than_adam():
    """A nonlinear map of the history, 150 steps for both at their usual rates."""
    torch.manual_seed(0)
    inputs = torch.randn(64, 20, 2)
    targets = torch.tanh(inputs.cumsum(dim=1)[..., :1] * inputs[..., 1:])
    start = StackedLSTM(2, 1, hidden_size=8, n_layers=1)
    losses = {}
    for name, plan in (
        ("adam", OptimizerPlan(**PLAN)),
        ("soap", SoapPlan(**PLAN | {"learning_rate": 5e-2})),
    ):
        network = copy.deepcopy(start)
        optimizer = plan.optimizer(network)
        scheduler = plan.scheduler(optimizer, 150)
        for _ in range(149):
            optimizer.zero_grad()
            loss = (network(inputs)[0] - targets).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
        losses[name] = float(loss.detach())
    assert losses["soap"] < 0.7 * losses["adam"]


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 5, 6, 10, 11])
@pytest.mark.parametrize("warmup", [0.1, 0.2, 0.5])
def test_the_cycle_has_any_number_of_steps(n_steps, warmup):
    network = StackedLSTM(2, 1, hidden_size=4, n_layers=1)
    plan = SoapPlan(learning_rate=1e-2, schedule="one_cycle", weight_decay=0.0, gradient_clip=1.0, warmup=warmup)
    optimizer = plan.optimizer(network)
    scheduler = plan.scheduler(optimizer, n_steps)
    rates = []
    for _ in range(n_steps - 1):
        optimizer.step()
        scheduler.step()
        rates += scheduler.get_last_lr()
    assert all(0.0 < rate <= 1e-2 * (1 + 1e-9) for rate in rates)

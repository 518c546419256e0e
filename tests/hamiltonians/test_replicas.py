import copy
import multiprocessing
import os
import pickle
import signal

import pytest
import torch
from planted_calculators import Failing, argon, broken

from mlmd.errors import CalculatorError, ConfigError, MismatchError
from mlmd.hamiltonians import AseMethod, CountedHamiltonian, Method, PySCF, ReplicaHamiltonian, Tblite


class Noting(Method):
    """A spring about the origin that notes which of its single points is called; the first to be made is 0."""

    name, n_processes = "Noting", 1

    def __init__(self):
        self.calls, self.n_made, self.n_forgotten = [], 0, 0

    def single_point(self, symbols):
        return NotingPoint(self)


class NotingPoint:
    def __init__(self, method):
        self.method, self.number = method, method.n_made
        method.n_made += 1

    def __call__(self, positions):
        self.method.calls.append(self.number)
        return 0.5 * float((positions**2).sum()), -positions

    def forget(self):
        self.method.n_forgotten += 1


def positions(*leading, seed=0):
    return torch.randn(*leading, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def noting():
    return ReplicaHamiltonian(Noting(), ("H", "H"), energy_zero_eV=10.0)


def test_nothing_is_made_before_the_first_call(noting):
    assert noting.method.n_made == 0


def test_each_replica_has_a_single_point_of_its_own(noting):
    noting.energy_and_forces(positions(3))
    noting.energy_and_forces(positions(2))
    noting.energy_and_forces(positions(4))
    assert noting.method.calls == [0, 1, 2, 0, 1, 0, 1, 2, 3]


def test_times_of_a_replica_go_through_its_single_point(noting):
    at = positions(2, 3)
    energy, forces = noting.energy_and_forces(at)
    assert noting.method.calls == [0, 0, 0, 1, 1, 1]
    torch.testing.assert_close(energy, 0.5 * at.square().sum((-1, -2)) - 10.0, rtol=1e-14, atol=1e-14)
    assert torch.equal(forces, -at)


def test_replicas_that_are_no_numbers_cost_nothing(noting):
    at = positions(4)
    at[1] = torch.nan
    at[2, 0, 1] = torch.inf
    energy, forces = noting.energy_and_forces(at)
    assert noting.method.n_made == 2
    assert energy.isnan().tolist() == [False, True, True, False]
    assert bool(forces[1:3].isnan().all())
    assert torch.equal(forces[[0, 3]], -at[[0, 3]])
    assert noting.n_single_points == 2


def test_what_is_counted(noting):
    assert (noting.seconds, noting.n_single_points) == (0.0, 0)
    noting.energy_and_forces(positions(3))
    spent = noting.seconds
    noting.energy_and_forces(positions(2, 5))
    assert noting.n_single_points == 13
    assert 0 < spent < noting.seconds


def test_the_counter_measures_time_too(noting):
    counted = CountedHamiltonian(noting)
    assert counted.seconds == 0.0
    counted.energy_and_forces(positions(3))
    assert counted.seconds >= noting.seconds > 0
    assert counted.n_calls == 1


def test_forget_reaches_every_single_point(noting):
    noting.forget()
    noting.energy_and_forces(positions(3))
    noting.forget()
    assert noting.method.n_forgotten == 3
    assert noting.remembers


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 3), (2, 2)])
def test_another_number_of_atoms_is_refused(noting, shape):
    with pytest.raises(MismatchError, match="are not those of 2 atoms"):
        noting.energy_and_forces(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_starts_afresh(copied):
    hamiltonian = ReplicaHamiltonian(Tblite(), ("H", "Cl"), energy_zero_eV=-5.0)
    at = 0.05 * positions(2) + torch.tensor([[0.0, 0.0, 0.0], [1.29, 0.0, 0.0]])
    fresh = hamiltonian.energy_and_forces(at)
    hamiltonian.energy_and_forces(at + 0.1 * at.flip(0))
    other = copied(hamiltonian)
    assert (other.n_single_points, other.symbols) == (0, ("H", "Cl"))
    again = other.energy_and_forces(at)
    assert torch.equal(again[0], fresh[0])
    assert torch.equal(again[1], fresh[1])


def test_the_replica_that_fails_is_named():
    Failing.n_calls = 0
    hamiltonian = ReplicaHamiltonian(AseMethod.of(lambda: Failing(1), name="Mine", n_retries=0), ("H", "H"))
    with pytest.raises(CalculatorError, match=r"^replica 0: Mine failed \("):
        hamiltonian.energy_and_forces(positions(3))


class TestProcesses:
    """One pair of processes for each test: they take seconds to start."""

    @pytest.mark.parametrize("method", [Tblite, PySCF])
    def test_results_are_the_same_bit_for_bit(self, method):
        at = 0.05 * positions(3) + torch.tensor([[0.0, 0.0, 0.0], [1.29, 0.0, 0.0]])
        at[1] = torch.nan
        alone, shared = (ReplicaHamiltonian(method(n_processes=n), ("H", "Cl")) for n in (1, 2))
        for step in range(4):
            if step == 3:
                alone.forget()
                shared.forget()
            ours, theirs = (each.energy_and_forces(at + 0.01 * step * at) for each in (alone, shared))
            for one, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
        assert alone.n_single_points == shared.n_single_points == 8

    def test_errors_come_back_as_they_are_and_the_process_goes_on(self):
        shared = ReplicaHamiltonian(Tblite(n_processes=2), ("H", "Cl"))
        apart = torch.tensor([[0.0, 0.0, 0.0], [1.29, 0.0, 0.0]], dtype=torch.float64)
        with pytest.raises(
            CalculatorError, match=r"^GFN2-xTB does not converge in 3 attempts .* H0 and Cl1 at 0\.000 A"
        ):
            shared.energy_and_forces(torch.stack([apart, 0.0 * apart]))
        assert bool(shared.energy_and_forces(torch.stack([apart, apart]))[0].isfinite().all())

    def test_a_process_that_dies_is_an_error_and_another_takes_its_place(self):
        shared = ReplicaHamiltonian(AseMethod.of(argon, n_processes=2), ("Ar", "Ar"))
        others = {process.pid for process in multiprocessing.active_children()}
        before = shared.energy_and_forces(positions(1))
        (ours,) = {process.pid for process in multiprocessing.active_children()} - others
        os.kill(ours, signal.SIGKILL)
        with pytest.raises(CalculatorError, match="argon: a process that computes forces has died"):
            shared.energy_and_forces(positions(1))
        assert torch.equal(shared.energy_and_forces(positions(1))[1], before[1])
        ours = [process for process in multiprocessing.active_children() if process.pid not in others]
        shared.close()
        for process in ours:
            process.join(timeout=20.0)
            assert not process.is_alive()

    def test_what_cannot_be_sent_is_refused(self):
        shared = ReplicaHamiltonian(AseMethod.of(lambda: argon(), n_processes=2), ("Ar", "Ar"))
        with pytest.raises(ConfigError, match=r"cannot be sent to other processes .* set n_processes=1"):
            shared.energy_and_forces(positions(1))

    def test_an_unknown_element_is_refused_there_too(self):
        shared = ReplicaHamiltonian(AseMethod.of(broken, n_processes=2), ("Ar", "Ar"))
        with pytest.raises(ConfigError, match="broken cannot be made"):
            shared.energy_and_forces(positions(1))


class Picky(Noting):
    """Finds no energy where an atom is further than 2 A from the origin; tries again unless it is told not to."""

    name, n_retries = "Picky", 2

    def single_point(self, symbols):
        return PickyPoint(self)


class PickyPoint(NotingPoint):
    def __call__(self, positions):
        for _ in range(self.method.n_retries + 1):
            energy, forces = super().__call__(positions)
            if abs(positions).max() <= 2.0:
                return energy, forces
        raise CalculatorError("no convergence")


@pytest.mark.parametrize("n_processes", [1, 2])
def test_a_diverged_replica_is_tried_once_and_asked_for_no_more(n_processes):
    method = Picky()
    method.n_processes = n_processes
    hamiltonian = ReplicaHamiltonian(method, ("H", "H"), energy_zero_eV=10.0)
    frames = torch.full((2, 4, 2, 3), 0.5, dtype=torch.float64)
    frames[0, 1, 0, 0] = 3.0
    frames[1, 2] = torch.nan
    with pytest.raises(CalculatorError, match="no convergence"):
        hamiltonian.energy_and_forces(frames)
    method.calls.clear()
    energies = hamiltonian.energies_until_failure(frames)
    assert energies.isfinite().tolist() == [[True, False, False, False], [True, True, False, True]]
    assert energies[0, 0] == pytest.approx(0.5 * 6 * 0.25 - 10.0)
    if n_processes == 1:
        assert len(method.calls) == 2 + 3
    hamiltonian.close()

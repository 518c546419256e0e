import pytest

from mlmd.on_the_fly import Entry, Ledger, break_even_step


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def test_everything_since_the_command_began_counts(clock):
    ledger = Ledger(began=90.0)
    assert ledger.elapsed_s == 10.0
    with ledger.spending("training"):
        clock[0] += 7.0
    with ledger.spending("learned"):
        clock[0] += 5.0
    ledger.charge_forces(2.0, within="learned")
    ledger.charge_forces(4.0)
    assert ledger.seconds == {"forces": 6.0, "training": 7.0, "trial": 0.0, "learned": 3.0}
    assert ledger.elapsed_s == 22.0
    # Six seconds for three calls: a hundred steps would have taken two hundred.
    assert ledger.speed_up(100, 3) == pytest.approx(200.0 / 22.0)


def test_a_resumed_run_goes_on_from_its_last_save(clock):
    ledger = Ledger(began=90.0)
    ledger.charge_forces(3.0)
    ledger.note(10, "hamiltonian", 10)
    saved = ledger.state_dict()
    clock[0] += 1000.0
    resumed = Ledger(began=1099.0)
    resumed.load_state_dict(saved)
    assert resumed.elapsed_s == 11.0
    assert resumed.entries == [Entry(10, "hamiltonian", 10, 10.0)]
    assert resumed.seconds["forces"] == 3.0


def test_break_even_is_for_good():
    entries = [
        Entry(10, "hamiltonian", 10, 9.0),
        Entry(20, "hamiltonian", 20, 40.0),
        Entry(40, "learned", 21, 41.0),
        Entry(80, "learned", 22, 42.0),
    ]
    assert break_even_step(entries, 1.0) == 80, "at step 10 it was cheaper too, but not for good"
    assert break_even_step(entries, 0.5) is None
    assert break_even_step([], 1.0) is None

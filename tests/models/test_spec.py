import dataclasses
import itertools
import pickle

import pytest
import torch
from contracts.molecules import CARBON_DIOXIDE, DT_FS, WATER

from mlmd.decomposition import (
    BodyCartesian,
    DiatomicVibration,
    LabCartesian,
    MolecularFrameCartesian,
    MolecularVibration,
)
from mlmd.errors import ConfigError, MismatchError
from mlmd.hamiltonians import HarmonicBond
from mlmd.io.migrations import migrate_checkpoint
from mlmd.models import PredictorSpec
from mlmd.systems import custom_diatomic, diatomic

NAMES = {
    ("cartesian", "velocity", 0): "3vR0",
    ("cartesian", "update", 0): "3uR0",
    ("molecular", "update", 0): "DuR0",
    ("molecular", "velocity", 0): "DvR0",
    ("cartesian", "update", 1): "3uR1",
    ("molecular", "update", 1): "DuR1",
    ("cartesian", "velocity", 2): "3vR2",
    ("molecular", "velocity", 12): "DvR12",
}


@pytest.mark.parametrize(("axes", "name"), list(NAMES.items()))
def test_the_three_axes_make_the_name(make_spec, axes, name):
    components, target, coordinate_frames = axes
    for frame in ("lab", "molecule"):
        spec = make_spec(components=components, target=target, coordinate_frames=coordinate_frames, frame=frame)
        assert spec.variant == name


@pytest.mark.parametrize(
    ("components", "frame", "kind"),
    [
        ("cartesian", "lab", LabCartesian),
        ("cartesian", "molecule", MolecularFrameCartesian),
        ("molecular", "lab", DiatomicVibration),
        ("molecular", "molecule", DiatomicVibration),
    ],
)
def test_the_axes_choose_the_decomposition(make_spec, components, frame, kind):
    assert type(make_spec(components=components, frame=frame).decomposition()) is kind


@pytest.fixture
def make_molecular(make_spec):
    """Specification of a molecule of more than two atoms."""

    def make(molecule=WATER, **changes):
        system = molecule.system()
        atoms = {"system": system.name, "symbols": system.symbols, "masses_u": system.masses_u, "dt_fs": DT_FS}
        geometry = {"reference_A": system.equilibrium_A, "modes": system.modes.vectors}
        return make_spec(**(atoms | geometry | changes))

    return make


@pytest.mark.parametrize("molecule", [WATER, CARBON_DIOXIDE])
@pytest.mark.parametrize(
    ("components", "frame", "kind"),
    [
        ("cartesian", "lab", LabCartesian),
        ("cartesian", "molecule", BodyCartesian),
        ("molecular", "lab", MolecularVibration),
    ],
)
def test_the_axes_choose_the_decomposition_of_many_atoms(make_molecular, molecule, components, frame, kind):
    assert type(make_molecular(molecule, components=components, frame=frame).decomposition()) is kind


@pytest.mark.parametrize("changes", [{"components": "molecular"}, {"components": "cartesian", "frame": "molecule"}])
@pytest.mark.parametrize("missing", ["reference_A", "modes"])
def test_many_atoms_without_a_reference_are_refused(make_molecular, changes, missing):
    with pytest.raises(
        ConfigError, match=r"of more than two atoms needs the equilibrium geometry and normal modes of OHH"
    ):
        make_molecular(**changes, **{missing: None}).decomposition()


def test_a_molecule_goes_to_a_dict_and_back(make_molecular, tmp_path):
    spec = make_molecular()
    torch.save(spec.to_dict(), tmp_path / "spec")
    again = PredictorSpec.from_dict(torch.load(tmp_path / "spec", weights_only=True))
    assert again == spec
    assert hash(again) == hash(spec)
    again.check_system(WATER.system())


def test_another_isomer_or_order_of_atoms_is_refused(make_molecular):
    spec, system = make_molecular(), WATER.system()
    near = tuple((x, 1.05 * y, z) for x, y, z in system.equilibrium_A)  # another level of theory
    spec.check_system(dataclasses.replace(system, equilibrium_A=near))
    straight = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.96), (0.0, 0.0, -0.96))
    with pytest.raises(MismatchError, match=r"another equilibrium geometry .* differs by 0\.41 A \(another isomer\?\)"):
        spec.check_system(dataclasses.replace(system, equilibrium_A=straight))
    order = (1, 0, 2)
    swapped = {
        name: tuple(getattr(system, name)[i] for i in order) for name in ("symbols", "masses_u", "equilibrium_A")
    }
    with pytest.raises(MismatchError, match=r"for OHH \(O H H\); OHH has the same atoms in another order \(H O H\)"):
        spec.check_system(dataclasses.replace(system, **swapped))


@pytest.mark.parametrize(
    ("components", "target", "memory"),
    list(itertools.product(("cartesian", "molecular"), ("velocity", "update"), ("carried", "window"))),
)
def test_to_dict_and_back(make_spec, components, target, memory, tmp_path):
    spec = make_spec(components=components, target=target, memory_kind=memory, memory_length=6, coordinate_frames=2)
    torch.save(spec.to_dict(), tmp_path / "spec")
    plain = torch.load(tmp_path / "spec", weights_only=True)  # tensors and plain types only
    assert PredictorSpec.from_dict(plain) == spec
    assert hash(PredictorSpec.from_dict(plain)) == hash(spec)
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_specifications_without_a_history_load(make_spec):
    old = make_spec().to_dict()
    assert (old.pop("history"), old.pop("ridge"), old.pop("network")) == (1, 0.0, True)
    assert (old.pop("reference_A"), old.pop("modes")) == (None, None)
    checkpoint = migrate_checkpoint({"mlmd": {"format_version": 1, "spec": old}})
    assert PredictorSpec.from_dict(checkpoint["mlmd"]["spec"]) == make_spec()


def test_its_own_system_is_accepted(make_spec, hcl_harmonic, hcl_morse):
    make_spec().check_system(hcl_harmonic)
    make_spec().check_system(hcl_morse)


def test_another_time_step_is_refused(make_spec):
    with pytest.raises(MismatchError, match=r"learned dt_fs = 0\.5, the system asks for 0\.4; use system\.dt_fs=0\.5"):
        make_spec().check_system(diatomic(name="HCl", dt_fs=0.4, hamiltonian=HarmonicBond))


def test_another_molecule_is_refused_by_name(make_spec):
    with pytest.raises(
        MismatchError, match=r"trained for HCl \(H 1\.0078 u, Cl 34\.9689 u\), not for HF \(H 1\.0078 u, F 18\.9984 u\)"
    ):
        make_spec().check_system(diatomic(name="HF", dt_fs=0.5, hamiltonian=HarmonicBond))


def test_another_isotope_is_refused_by_its_mass():
    h2, d2 = (diatomic(name=name, dt_fs=0.2, hamiltonian=HarmonicBond) for name in ("H2", "D2"))
    assert h2.symbols == d2.symbols
    spec = PredictorSpec(
        components="molecular",
        target="update",
        coordinate_frames=0,
        frame="lab",
        hidden_size=4,
        n_layers=1,
        shortcut=True,
        memory_kind="carried",
        memory_length=None,
        memory_warmup=None,
        system="H2",
        symbols=h2.symbols,
        masses_u=h2.masses_u,
        dt_fs=0.2,
    )
    spec.check_system(h2)
    with pytest.raises(MismatchError, match=r"trained for H2 .*not for D2 \(H 2\.0141 u, H 2\.0141 u\)"):
        spec.check_system(d2)


def test_swapped_atoms_are_refused(make_spec, hcl_harmonic):
    swapped = custom_diatomic(
        name="ClH",
        symbols=("Cl", "H"),
        masses_u=hcl_harmonic.masses_u[::-1],
        omega_e_cm1=2990.0,
        r_e_A=1.27,
        dt_fs=0.5,
        hamiltonian=HarmonicBond,
    )
    with pytest.raises(MismatchError, match=r"for HCl \(H Cl\); ClH has the same atoms in another order \(Cl H\)"):
        make_spec().check_system(swapped)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"components": "cartesan"}, "model.components = 'cartesan' is unknown: did you mean 'cartesian'"),
        ({"components": "molecule"}, "model.components = 'molecule' is unknown: did you mean 'molecular'"),
        ({"components": "zzz"}, "model.components = 'zzz' is unknown: known: 'cartesian', 'molecular'"),
        ({"target": "velocities"}, "model.target = 'velocities' is unknown: did you mean 'velocity'"),
        ({"frame": "molecular"}, "model.frame = 'molecular' is unknown: did you mean 'molecule'"),
        ({"coordinate_frames": -1}, "model.coordinate_frames = -1 must not be negative"),
        ({"hidden_size": 0}, "model.hidden_size = 0 must be from 1 to 4096"),
        ({"n_layers": 0}, "model.n_layers = 0 must be from 1 to 64"),
        ({"history": 0}, "model.history = 0 must be from 1 to 10000"),
        ({"ridge": -0.1}, "model.ridge = -0.1 must not be negative"),
        ({"shortcut": "hold"}, "model.shortcut = 'hold' is unknown: did you mean 'held'"),
        ({"shortcut": False, "network": False}, "model.shortcut = False and model.network = False leave nothing that"),
    ],
)
def test_unknown_values_are_refused_with_the_nearest(make_spec, changes, words):
    with pytest.raises(ConfigError) as caught:
        make_spec(**changes)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"components": float("nan")}, "model.components = nan must be text"),
        ({"memory_length": True}, "model.memory_length = True must be a whole number, or null"),
        ({"dt_fs": float("inf")}, "model.dt_fs = inf must be a number"),
        ({"symbols": ["H", 3]}, "model.symbols = ['H', 3] must be a list of texts"),
        ({"masses_u": [-1.0, 35.0]}, "masses_u = [-1.0, 35.0] must be positive masses"),
        ({"masses_u": [1.0]}, "masses_u = [1.0] must be positive masses up to 1000 u, one an atom of H Cl"),
        ({"modes": [None]}, "model.modes = [None] must be a list of values, or null"),
    ],
)
def test_values_of_another_type_in_a_file_are_refused(make_spec, changes, words):
    with pytest.raises(ConfigError) as caught:
        PredictorSpec.from_dict(make_spec().to_dict() | changes)
    assert str(caught.value).startswith(words)

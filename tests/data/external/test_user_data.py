import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import units
from ase.build import molecule
from ase_files import DT_FS, bare, changed, changed_by_number, hcl_images, stored, water_images

from mlmd.data.external.file_plan import FilePlan
from mlmd.data.external.user_data import read_user_data
from mlmd.data.external.user_trajectory import read_user_trajectory
from mlmd.errors import ConfigError, DataError
from mlmd.io.trajectory_file import write_trajectory
from mlmd.io.xyz import write_extended_xyz

STANDARD_MASSES = (1.008, 35.45)
FIELDS = ("positions", "velocities", "kicks")


@pytest.fixture(scope="module")
def system(hcl_morse):
    """The molecule of ASE's files: standard atomic weights."""
    return replace(hcl_morse, masses_u=STANDARD_MASSES)


@pytest.fixture(scope="module")
def run(hcl_morse, reference):
    return reference(hcl_morse, n_steps=100)


@pytest.fixture
def metadata(hcl_morse):
    return {"symbols": list(hcl_morse.symbols), "masses_u": list(hcl_morse.masses_u), "dt_fs": hcl_morse.dt_fs}


def exported(path, run, system, **options):
    write_extended_xyz(path, run, symbols=system.symbols, masses_u=system.masses_u, dt_fs=system.dt_fs, **options)
    return path


def test_our_own_extended_xyz_comes_back(tmp_path, run, hcl_morse):
    path = exported(tmp_path / "a.xyz", run, hcl_morse, replica=1)
    own = read_user_trajectory(path)
    assert own.dt_fs == pytest.approx(hcl_morse.dt_fs, rel=1e-12)
    assert own.masses_u == pytest.approx(hcl_morse.masses_u, rel=1e-8)
    assert own.has_masses
    # Eight decimals of positions: 5e-9 A, of which a velocity has two over 2 dt, a kick four over dt.
    for name, atol in zip(FIELDS, (5.1e-9, 1.1e-8, 4.1e-8), strict=True):
        expected = getattr(run, name)[1:2, 1:-1]
        torch.testing.assert_close(getattr(own.trajectory, name), expected, rtol=0, atol=atol, msg=name)
    data = read_user_data(FilePlan(str(path)), hcl_morse)
    assert data.splits["train"].positions.shape == (1, 74, 2, 3), "98 - 10 - 10 - 2 * 2"


def test_our_own_store_comes_back_exactly(tmp_path, run, hcl_morse, metadata):
    path = tmp_path / "reference.h5"
    write_trajectory(path, run, metadata=metadata)
    own = read_user_trajectory(path)
    assert (own.notes, own.kick_noise_A_per_fs, own.n_frames) == ((), 0.0, 100)
    for name in FIELDS:
        assert torch.equal(getattr(own.trajectory, name), getattr(run, name))
    splits = read_user_data(FilePlan(str(path), dt_fs=0.5), hcl_morse).splits
    for number, split in enumerate(("train", "val", "test")):
        assert torch.equal(splits[split].kicks, run.kicks[number : number + 1])


def sparse(run, metadata):
    return replace(run, steps=2 * run.steps), metadata, "does not hold every step"


def diverged(run, metadata):
    positions = run.positions.clone()
    positions[1, 40:] = torch.nan
    return replace(run, positions=positions), metadata, "replica 1 is not finite from frame 40 on"


def nameless(run, metadata):
    return run, {key: value for key, value in metadata.items() if key != "symbols"}, "has no 'symbols' in its metadata"


@pytest.mark.parametrize("change", [sparse, diverged, nameless])
def test_stores_that_cannot_be_learned_from(tmp_path, run, metadata, change):
    kept, words, message = change(run, metadata)
    write_trajectory(tmp_path / "a.h5", kept, metadata=words)
    with pytest.raises(DataError, match=message):
        read_user_trajectory(tmp_path / "a.h5")


def test_a_store_knows_its_time_step(tmp_path, run, metadata):
    write_trajectory(tmp_path / "a.h5", run, metadata=metadata | {"checkpoint": "best.ckpt"})
    with pytest.raises(ConfigError, match=r"dt_fs = 0\.25, but .* has 0\.5 fs"):
        read_user_trajectory(tmp_path / "a.h5", dt_fs=0.25)
    assert "its kicks come from a predictor" in read_user_trajectory(tmp_path / "a.h5").notes[0]


def test_several_files_are_several_runs(tmp_path, system):
    images = hcl_images(400)
    for number in range(4):
        part = images[100 * number : 100 * number + 40 + 10 * number]
        stored(tmp_path / f"{number}.traj", part)
    data = read_user_data(FilePlan(str(tmp_path / "*.traj"), dt_fs=DT_FS), system)
    shapes = {name: split.positions.shape[:2] for name, split in data.splits.items()}
    assert shapes == {"train": (2, 38), "val": (1, 58), "test": (1, 68)}
    assert data.describe() == "train 2 x 38, val 1 x 58, test 1 x 68 frames from 4 files of 220 frames"
    assert [source["n_frames"] for source in data.sources] == [40, 50, 60, 70]


def test_a_file_twice_under_two_names_is_refused(tmp_path, system):
    paths = [str(stored(tmp_path / name, hcl_images(20))) for name in ("a.traj", "b.traj")]
    with pytest.raises(DataError, match=r"b\.traj and .*a\.traj are identical"):
        read_user_data(FilePlan(paths, dt_fs=DT_FS), system)


def swapped(image):
    return image[[1, 0]]


def deuterated(image):
    image.set_masses([2.014, 35.45])


def another(image):
    image.numbers[1] = 9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swapped, r"holds Cl H, but system HCl is H Cl: the same atoms in another order"),
        (deuterated, r"H weighs 2\.014 u, in system HCl 1\.008 u.*system\.masses_u=\[2\.014,35\.45\]"),
        (another, r"holds H F, but system HCl is H Cl; choose the system"),
    ],
)
def test_another_molecule_is_refused(tmp_path, system, change, words):
    images = changed(bare(hcl_images(60)), change)
    with pytest.raises(ConfigError, match=words):
        read_user_data(FilePlan(str(stored(tmp_path / "a.traj", images)), dt_fs=DT_FS), system)


def test_masses_that_are_not_said_show_in_the_motion(tmp_path, system, hcl_morse):
    path = stored(tmp_path / "a.traj", bare(hcl_images(60)))
    read_user_data(FilePlan(str(path), dt_fs=DT_FS), system)
    with pytest.raises(
        ConfigError, match=r"standard atomic weights they have none.*system\.masses_u=\[1\.008,35\.45\]"
    ):
        read_user_data(FilePlan(str(path), dt_fs=DT_FS), hcl_morse)


def test_five_decimals_do_not_look_like_an_external_force(tmp_path, system):
    images = changed(bare(hcl_images(400)), lambda image: image.set_positions(image.positions.round(5)))
    data = read_user_data(FilePlan(str(stored(tmp_path / "a.traj", images)), dt_fs=DT_FS), system)
    assert "few digits" in data.notes[1]


def test_a_thermostat_shows_in_the_motion(tmp_path, system):
    generator = np.random.default_rng(1)
    walk = np.cumsum(np.cumsum(generator.normal(0, 1e-4, (61, 2, 3)), axis=0), axis=0)
    images = changed_by_number(
        bare(hcl_images(60)), lambda image, number: image.set_positions(image.positions + walk[number])
    )
    with pytest.raises(DataError, match="an external force, a thermostat, or other masses"):
        read_user_data(FilePlan(str(stored(tmp_path / "a.traj", images)), dt_fs=DT_FS), system)


def test_another_time_step_than_the_systems_is_refused(tmp_path, system):
    path = stored(tmp_path / "a.traj", hcl_images(60, dt_fs=0.25))
    with pytest.raises(
        ConfigError, match=r"has 0\.25 fs between frames, but system\.dt_fs is 0\.5; give system\.dt_fs=0\.25"
    ):
        read_user_data(FilePlan(str(path), dt_fs=0.25), system)


def test_a_moving_centre_of_mass_is_told(tmp_path, system):
    def drifting(image, number):
        image.calc = None
        image.positions[:, 0] += 0.02 * DT_FS * number
        image.set_velocities(image.get_velocities() + np.array([0.02, 0.0, 0.0]) / units.fs)

    still, moving = (
        read_user_data(FilePlan(str(stored(tmp_path / f"{name}.traj", images)), dt_fs=DT_FS), system)
        for name, images in (("a", hcl_images(60)), ("b", changed_by_number(hcl_images(60), drifting)))
    )
    assert not any("centre of mass" in note for note in still.notes)
    assert "the centre of mass moves at" in moving.notes[-2]
    assert moving.notes[-1] == still.notes[-1], "the temperature is that of the motion within"
    within = np.mean([image.get_kinetic_energy() for image in hcl_images(60)[1:-1]])
    temperature_K = 2.0 * within / (3.0 * units.kB)
    assert f"kinetic temperature {temperature_K:.0f} to {temperature_K:.0f} K" in still.notes[-1]
    torch.testing.assert_close(moving.splits["train"].kicks, still.splits["train"].kicks, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("every", [1, 4])
def test_a_molecule_of_three_atoms(tmp_path, system, every):
    path = stored(tmp_path / "water.extxyz", water_images(200, dt_fs=DT_FS / every, every=every))
    water = replace(
        system,
        name="H2O",
        symbols=("O", "H", "H"),
        masses_u=(15.999, 1.008, 1.008),
        equilibrium_A=tuple(map(tuple, molecule("H2O").positions.tolist())),
    )
    data = read_user_data(FilePlan(str(path), dt_fs=DT_FS), water)
    assert data.splits["train"].positions.shape[2:] == (3, 3)
    assert any("dt F/m" in note for note in data.notes) == (every == 1)
    assert "centre of mass" in data.notes[-2]


def test_a_record_says_what_was_learned_from(tmp_path, system):
    path = stored(tmp_path / "a.traj", hcl_images(60))
    plan = FilePlan(str(path), dt_fs=DT_FS)
    data = read_user_data(plan, system)
    data.write(tmp_path / "data.json")
    source = json.loads((tmp_path / "data.json").read_text())["sources"][0]
    assert (source["path"], source["n_frames"], source["dt_fs"]) == (str(path), 61, 0.5)
    data.require_sources_of(tmp_path / "data.json")
    stored(path, hcl_images(61))
    with pytest.raises(DataError, match=r"a\.traj: changed since this run started"):
        read_user_data(plan, system).require_sources_of(tmp_path / "data.json")
    with pytest.raises(DataError, match="does not contain the sources of the run's data"):
        data.require_sources_of(path)

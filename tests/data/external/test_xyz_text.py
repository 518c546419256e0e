"""What ASE's reader of XYZ files swallows or stumbles over is read, or refused with line and atom."""

import numpy as np
import pytest

from mlmd.data.external.ase_reader import read_frames
from mlmd.errors import DataError

ATOMS = ["H  0.1000 0.2000 {:.4f}", "Cl 0.1000 0.2000 1.3000"]


def frame(number=0, atoms=ATOMS, comment=""):
    return [str(len(atoms)), comment, *(line.format(0.01 * number) for line in atoms)]


def written(tmp_path, *frames, between=(), end="\n", start=""):
    lines = []
    for each in frames:
        lines += [*each, *between]
    path = tmp_path / "mine.xyz"
    path.write_text(start + "\n".join(lines) + end, encoding="utf-8")
    return path


def heights(path):
    return read_frames(path).positions[:, 0, 2].tolist()


@pytest.mark.parametrize(
    "options",
    [{}, {"between": [""]}, {"between": ["", " "]}, {"start": "\ufeff"}, {"start": "\n\n"}, {"end": "\n\n\n"}],
)
def test_blank_lines_and_a_byte_order_mark_lose_no_frame(tmp_path, options):
    assert heights(written(tmp_path, *map(frame, range(5)), **options)) == pytest.approx([0, 0.01, 0.02, 0.03, 0.04])


def test_lines_may_end_as_on_windows(tmp_path):
    path = written(tmp_path, *map(frame, range(3)))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_frames(path)) == 3


def test_a_whole_last_line_needs_no_end(tmp_path):
    assert len(read_frames(written(tmp_path, *map(frame, range(3)), end=""))) == 3


def test_a_last_number_that_is_cut_is_refused(tmp_path):
    path = written(tmp_path, *map(frame, range(3)), end="")
    path.write_text(path.read_text()[:-1])
    with pytest.raises(DataError, match="it is truncated after 2 whole frames"):
        read_frames(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("17 0.1 0.2 1.3", "line 8, atom 1 of frame 1: '17' is no element symbol; write symbols for atomic numbers"),
        ("CL 0.1 0.2 1.3", "line 8, atom 1 of frame 1: 'CL' is no element symbol"),
        ("Cl 0.1 0.2 0.13D+01", r"line 8, atom 1 of frame 1: '0\.13D\+01' is no number; write its exponent with E"),
        ("Cl 0.1 0.2 ******", "line 8, atom 1 of frame 1: '.*' is no number; write the file again"),
        ("Cl 0.1 0.2", "line 8, atom 1 of frame 1: 'Cl 0.1 0.2' is no symbol with three coordinates"),
    ],
)
def test_a_line_that_is_no_atom_is_named(tmp_path, line, words):
    path = written(tmp_path, frame(), frame(atoms=[ATOMS[0], line]), frame())
    with pytest.raises(DataError, match=f"cannot read .*mine.xyz: {words}"):
        read_frames(path)


def test_a_line_that_is_no_number_of_atoms_is_named(tmp_path):
    path = written(tmp_path, frame(), ["two", *frame()[1:]])
    with pytest.raises(DataError, match="line 5 must be the number of atoms of frame 1, but is 'two'"):
        read_frames(path)


def test_a_number_of_atoms_beyond_the_file_is_a_truncated_file(tmp_path):
    path = written(tmp_path, frame(), ["999999999", *frame()[1:]])
    with pytest.raises(DataError, match="it is truncated after 1 whole frames"):
        read_frames(path)


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "mine.xyz"
    path.write_bytes(b"2\n\xff\xfe")
    with pytest.raises(DataError, match="byte 2 is no UTF-8 text"):
        read_frames(path)


def test_extended_xyz_gives_the_reason_of_its_reader(tmp_path):
    comment = "Properties=species:S:1:pos:R:3:velocities:R:3"
    path = written(tmp_path, frame(), frame(comment=comment))
    with pytest.raises(DataError, match=r"its reader stops after 1 whole frames \(.+\)"):
        read_frames(path)


def test_velocities_of_dftb_are_read(tmp_path):
    atoms = [line + " 0.0 100.0 0.0 -50.0" for line in ATOMS]
    path = written(tmp_path, *(frame(number, atoms, f"MD iter: {number}") for number in range(3)))
    frames = read_frames(path)
    np.testing.assert_allclose(frames.velocities[1, 0], [0.1, 0.0, -0.05])
    assert frames.notes == ()


def test_columns_that_are_not_read_are_told(tmp_path):
    path = written(tmp_path, *(frame(number, [line + " 1.0 2.0" for line in ATOMS]) for number in range(3)))
    (note,) = read_frames(path).notes
    assert "columns 5 to 6 are not read" in note

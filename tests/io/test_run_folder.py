"""The configuration in the folder of a run comes back as it was written, or not at all."""

import pytest
import yaml

from mlmd.errors import DataError
from mlmd.io.run_folder import RunFiles, stored_config

CONFIG = {"seed": 1, "model": {"hidden_size": 32}, "optimizer": {"learning_rate": 1e-5}, "resume": None}


def begun(folder):
    RunFiles(folder, seed=1, overrides=[]).begin(CONFIG, resumes=False)
    return folder / "config.yaml"


def test_the_stored_configuration_comes_back(tmp_path):
    begun(tmp_path)
    assert stored_config(tmp_path) == CONFIG


def test_comments_and_the_order_of_keys_may_change(tmp_path):
    path = begun(tmp_path)
    values = yaml.safe_load(path.read_text())
    path.write_text("# mine\n" + yaml.safe_dump(values, sort_keys=True, default_flow_style=True))
    assert stored_config(tmp_path) == CONFIG


@pytest.mark.parametrize(
    ("written", "edited"),
    [("seed: 1", "seed: 99"), ("hidden_size: 32", "hidden_sizes: 32"), ("seed: 1\n", ""), ("1.0e-05", "1.0e-04")],
)
def test_an_edited_configuration_is_refused(tmp_path, written, edited):
    path = begun(tmp_path)
    assert written in path.read_text()
    path.write_text(path.read_text().replace(written, edited))
    with pytest.raises(DataError, match=r"config\.yaml was edited after the run had begun; restore it, or begin a new"):
        stored_config(tmp_path)


def test_a_cut_configuration_is_refused_wherever_it_was_cut(tmp_path):
    path = begun(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    for n_kept in range(1, len(lines)):
        path.write_text("".join(lines[:n_kept]))
        with pytest.raises(DataError, match=r"config\.yaml was edited|is damaged"):
            stored_config(tmp_path)


@pytest.mark.parametrize("content", [b"seed: \xae\n", b"when: 2024-13-45\n"])
def test_a_configuration_that_is_no_text_or_no_date_is_damaged(tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(DataError, match=r"config\.yaml is damaged: it is not valid YAML"):
        stored_config(tmp_path)

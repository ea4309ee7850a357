"""A study that is refused before any of its runs leaves nothing behind, so that the mended one can have its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.errors import UsageError
from harness.studies.given import study_of_options
from harness.studies.running import CELLS, begin, given_back


def test_a_study_with_an_option_that_a_method_does_not_have_leaves_no_folder(tmp_path: Path) -> None:
    given = ("--plugin", "noop", "--set", "lr=1,2", "--task", "faces", "--runner", "process")
    ended = CliRunner().invoke(cli, ["study", *given, "--output", str(tmp_path / "st")])

    assert ended.exit_code == UsageError.exit_code, ended.output
    assert "noop has no option 'lr'" in ended.output
    assert not (tmp_path / "st").exists()


@pytest.mark.parametrize("begun", ["by another command", "with a run of another process"])
def test_a_study_that_others_work_on_stays(begun: str, tmp_path: Path) -> None:
    study = study_of_options(["noop"], [], ["faces"], 1, [], {})
    made = begin(study, tmp_path)
    if begun == "by another command":
        made = begin(study, tmp_path)
        assert not made
    else:
        (tmp_path / CELLS / "one").mkdir()

    with pytest.raises(KeyboardInterrupt), given_back(tmp_path, made=made):
        raise KeyboardInterrupt
    assert (tmp_path / "study.yaml").exists()
    assert not begin(study, tmp_path)

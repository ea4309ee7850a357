"""The outputs of a run, scored again, give that run's numbers; from the command line."""

from __future__ import annotations

from pathlib import Path

from harness.errors import OutputsInvalidError
from harness.library.calls import load_report
from tests.program import Program


def test_the_outputs_of_a_run_give_its_numbers_to_the_last_digit(
    finished: Path, program: Program, tmp_path: Path
) -> None:
    written = program("outputs", finished, "--output", tmp_path / "o.npz")
    assert written.code == 0, written.err
    scored = program("score", tmp_path / "o.npz", "--output", tmp_path / "again")
    assert scored.code == 0, scored.err

    first, again = load_report(finished), load_report(tmp_path / "again")
    compared = [one for one in first.evaluators if one.name not in ("efficiency", "representation")]  # times, weights
    assert compared
    for one in compared:
        other = again.evaluator(one.name)
        assert other is not None
        assert other.metrics == one.metrics
        assert other.arrays == one.arrays
    assert again.verdict.level == first.verdict.level
    assert again.verdict.rule == first.verdict.rule


def test_outputs_that_do_not_fit_end_with_a_code_of_their_own(program: Program, tmp_path: Path) -> None:
    (tmp_path / "o.npz").write_bytes(b"nothing")
    ended = program("score", str(tmp_path / "o.npz"), "--output", str(tmp_path / "r"))

    assert ended.code == OutputsInvalidError.exit_code == 56
    assert "is not an .npz file" in ended.err
    assert not (tmp_path / "r").exists()

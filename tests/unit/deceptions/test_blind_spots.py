"""Evaluators that look elsewhere: each sees a submission that the attack on single forgotten examples does not."""

from __future__ import annotations

import pytest

from benchmarks.deceptions.blind_spots import CASES, Case, seen
from tests.unit.evaluators.every import EVERY, name_of

MODELS = 16
SEEN = 0.1
"""Difference of an AUC, or of a share, that shows."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.evaluator)
def test_a_submission_is_seen_by_its_evaluator_and_not_by_the_attack_on_examples(case: Case) -> None:
    deceptive, honest = (seen(case, honest=honest, models=MODELS) for honest in (False, True))

    if case.metric == "p":
        assert deceptive.own < 0.05 < honest.own
    else:
        assert deceptive.own - honest.own > SEEN
        assert honest.own == pytest.approx(honest.own_control, abs=SEEN / 2)
    assert deceptive.common == pytest.approx(honest.common, abs=SEEN / 2)


def test_every_case_is_of_a_bundled_evaluator() -> None:
    assert {case.evaluator for case in CASES} < {name_of(module) for module in EVERY}

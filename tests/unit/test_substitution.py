"""Failed models that count as their originals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.core.outcomes import ModelOutcome, Status
from harness.evaluation import SPLITS, Evidence
from harness.references.populations import Population
from harness.references.queries import key
from harness.runs.evaluators import digest
from harness.runs.scoring import Stored, make_evidence
from tests.unit.test_queries import DATA, LIMIT

ENDS = ((Status.OK, 0), (Status.TIMEOUT, 1), (Status.OK, 2), (Status.OOM, 0))
OUTCOMES = [
    ModelOutcome(n, n, end, charged_s=n + 0.5, peak_rss_mib=10.0 + n, original=original)
    for n, (end, original) in enumerate(ENDS)
]


def logits(seed: int, *models: int) -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(seed).normal
    return {name: draw(size=(*models, len(DATA.split(name)), 2)).astype(np.float32) for name in SPLITS}


POPULATIONS = {
    role: Population(role, (0, 1, 2), logits(n, 3), None, (), True, queries={"flip": logits(10 + n, 3)["forget"]})
    for n, role in enumerate(("original", "retrained", "control"))
}  # type: ignore[arg-type]
UNLEARNED = {n: {**logits(20 + n), key("flip"): logits(30 + n)["forget"]} for n in (0, 2)}


def evidence(outcomes: list[ModelOutcome] = OUTCOMES, failed_as: str = "noop") -> Evidence:
    return make_evidence(DATA, POPULATIONS, outcomes, UNLEARNED, LIMIT, 0, failed_as=failed_as)  # type: ignore[arg-type]


@pytest.mark.parametrize("split", SPLITS)
def test_a_failed_models_row_is_its_originals(split: str) -> None:
    found, original = evidence(), POPULATIONS["original"].logits[split]
    rows = found.logits["unlearned"][split]

    np.testing.assert_array_equal(rows, np.stack([UNLEARNED[0][split], original[1], UNLEARNED[2][split], original[0]]))
    assert not rows.flags.writeable
    np.testing.assert_array_equal(found.unlearned_from, [0, 1, 2, 0])


def test_queries_are_the_originals_too_and_other_populations_stay() -> None:
    found, original = evidence().queries["flip"], POPULATIONS["original"].queries["flip"]
    returned = [UNLEARNED[n][key("flip")] for n in (0, 2)]

    np.testing.assert_array_equal(found["unlearned"], np.stack([returned[0], original[1], returned[1], original[0]]))
    assert np.shares_memory(found["control"], POPULATIONS["control"].queries["flip"])


def test_times_and_memory_of_failed_models_are_unknown() -> None:
    timings = evidence().timings

    np.testing.assert_array_equal(timings.unlearn_s, [0.5, np.nan, 2.5, np.nan])
    np.testing.assert_array_equal(timings.peak_rss_mib, [10.0, np.nan, 12.0, np.nan])


def test_where_no_model_failed_nothing_changes() -> None:
    finished = [one for one in OUTCOMES if one.status.finished]

    for split in SPLITS:
        np.testing.assert_array_equal(
            evidence(finished).logits["unlearned"][split], evidence(failed_as="missing").logits["unlearned"][split]
        )


def test_stored_logits_are_read_one_model_at_a_time_and_once() -> None:
    read: list[int] = []

    def of(index: int) -> dict[str, NDArray[np.float32]]:
        read.append(index)
        return UNLEARNED[index]

    stored = Stored(list(UNLEARNED), of)
    found = make_evidence(DATA, POPULATIONS, OUTCOMES, stored, LIMIT, 0, failed_as="noop")  # type: ignore[arg-type]

    assert (read, len(stored), list(stored), 1 in stored) == ([0, 2], 2, [0, 2], False)
    assert digest(found) == digest(evidence())

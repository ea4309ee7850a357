"""Scores of a run and of each half of its models, by the metrics that a study chooses settings by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.comparing.trade_off import Ends, seconds_per_model, way_to_perfect
from harness.core.files import atomic_write_json
from harness.core.progress import Progress
from harness.evaluation import Evidence
from harness.plugins.discovery import choose_evaluators
from harness.report.document import Report
from harness.runs.evaluators import evaluate
from harness.runs.rescoring import outputs_of

HALVES = "halves"


@dataclass(frozen=True)
class Score:
    """What a setting reached, mean over seeds; None for what is unknown.

    The ends are means of the runs' 95 % intervals over models: the runs of several seeds share their originals, so that a
    narrower interval would not be justified.

    Attributes:
        forgotten: 1 as after retraining, 0 as for the no-op.
        low, high: its interval.
        utility: the metric of utility.
        utility_low, utility_high: its interval.
        utility_control: of retrained models.
        seconds: median seconds a model.
    """

    forgotten: float | None = None
    low: float | None = None
    high: float | None = None
    utility: float | None = None
    utility_low: float | None = None
    utility_high: float | None = None
    utility_control: float | None = None
    seconds: float | None = None

    @property
    def ends(self) -> Ends | None:
        """Return the interval of ``forgotten``, which includes it; None if unknown."""
        if self.forgotten is None or self.low is None or self.high is None:
            return None
        return min(self.low, self.forgotten), max(self.high, self.forgotten)


def score_of(report: Report, forgetting: str, utility: str) -> Score:
    """Return the score of a run by these metrics."""
    way, ends = way_to_perfect(report, forgetting)
    low, high = ends or (None, None)
    found = report.named(utility)
    seconds, _ = seconds_per_model(report)
    interval = None if found is None else found.interval
    return Score(
        forgotten=way,
        low=low,
        high=high,
        utility=None if found is None else found.value,
        utility_low=None if interval is None else interval.low,
        utility_high=None if interval is None else interval.high,
        utility_control=None if found is None else found.control,
        seconds=seconds,
    )


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the mean of each number over the scores; a number that one of them lacks is None."""
    if not scores:
        return Score()
    columns: Mapping[str, list[float | None]] = {name: [vars(one)[name] for one in scores] for name in vars(scores[0])}
    return Score(**{name: _mean(values) for name, values in columns.items()})


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return fmean(known) if len(known) == len(values) else None


def halves_of(
    report: Report, run: Path, kept: Path, forgetting: str, utility: str, progress: Progress
) -> tuple[Score, Score]:
    """Return the scores by each half of a run's models, of all four populations.

    Args:
        report: of the run.
        run: its folder.
        kept: file that keeps the scores, so that they are computed once.
        forgetting, utility: names of the metrics.
        progress: receives progress messages.

    Raises:
        ResumeMismatchError: the reference models differ from the run's.
    """
    identity = {"run": [report.run_id, report.rejudged], "metrics": [forgetting, utility]}
    with suppress(OSError, ValueError, KeyError, TypeError):  # missing or damaged: it is made again
        found = json.loads(kept.read_bytes())
        if found["of"] == identity:
            first, second = (Score(**one) for one in found[HALVES])
            return first, second
    evidence = outputs_of(run, progress)
    evaluators, _ = choose_evaluators(sorted({name.partition(".")[0] for name in (forgetting, utility)}))
    first, second = (
        score_of(report.model_copy(update={"evaluators": evaluate(evaluators, half, progress)}), forgetting, utility)
        for half in halves(evidence)
    )
    kept.parent.mkdir(exist_ok=True)
    atomic_write_json(kept, {"of": identity, HALVES: [asdict(first), asdict(second)]})
    return first, second


def halves(evidence: Evidence) -> Iterator[Evidence]:
    """Yield the evidence of the models of even, and of odd index: no model of any population is in both.

    An unlearned model is in the half of its original. With a single original, which must be in both, the unlearned models
    themselves are divided. Probes are left out.
    """
    for half in (0, 1):
        yield _half(evidence, half)


def _half(evidence: Evidence, half: int) -> Evidence:
    single = evidence.design == "one-original"
    origins = evidence.unlearned_from
    ours = np.flatnonzero((np.arange(len(origins)) if single else origins) % 2 == half)

    def rows(population: str, values: NDArray[Any]) -> NDArray[Any]:
        if population == "unlearned":
            return values[ours]
        return values if single and population == "original" else values[half::2]

    timings = evidence.timings
    return replace(
        evidence,
        logits={name: {split: rows(name, one) for split, one in of.items()} for name, of in evidence.logits.items()},
        queries={query: {name: rows(name, one) for name, one in of.items()} for query, of in evidence.queries.items()},
        unlearned_from=origins[ours] if single else origins[ours] // 2,
        probes={},
        timings=replace(
            timings,
            **{
                name: getattr(timings, name)[ours]
                for name in ("unlearn_s", "peak_rss_mib", "peak_gpu_mib", "unlearn_examples")
                if len(getattr(timings, name)) == len(origins)
            },
        ),
    )

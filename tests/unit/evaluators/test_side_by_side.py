"""Parallel evaluators and their output."""

from __future__ import annotations

from dataclasses import replace

from harness.core.progress import SilentProgress
from harness.evaluation import EvaluatorInfo, Evidence, Metric, Result
from harness.plugins.discovery import FoundPlugin, LoadedEvaluator
from harness.runs import evaluators as evaluating
from tests.unit.evaluators.changed_weights import with_differences
from tests.unit.evaluators.every import EVERY, usual, with_features
from tests.unit.evaluators.recovered import with_recovery


def _loaded(info: EvaluatorInfo) -> LoadedEvaluator:
    return LoadedEvaluator(FoundPlugin("harness.evaluators", info.name, "somewhere", "some-package", "1"), info)


def test_they_say_what_they_say_alone_in_the_order_asked_for() -> None:
    infos = [module.harness_evaluator() for module in EVERY]
    plain = usual()
    made = (with_recovery(plain, {}), with_features(plain), with_differences(plain, {}))
    evidence = replace(plain, probes={name: arrays for one in made for name, arrays in one.probes.items()})

    records = evaluating.evaluate([_loaded(info) for info in infos], evidence, SilentProgress())

    assert [record.name for record in records] == [info.name for info in infos]
    for record, info in zip(records, infos, strict=True):
        alone = info.evaluate(evidence)
        values = {one.name: one.value for one in alone.metrics}
        assert {one.name: one.value for one in record.metrics} == values, info.name


def test_one_that_raises_leaves_the_others() -> None:
    def broken(evidence: Evidence) -> Result:
        raise ValueError(f"no use for {evidence.n_classes} classes")

    def whole(evidence: Evidence) -> Result:
        return Result((Metric("one", 1.0, "none", "One."),))

    infos = [EvaluatorInfo(name, "1", "", of) for name, of in (("a", broken), ("b", whole), ("c", broken))]

    first, second, third = evaluating.evaluate([_loaded(info) for info in infos], usual(), SilentProgress())

    assert "no use for 4 classes" in str(first.error)
    assert "no use for 4 classes" in str(third.error)
    assert second.error is None
    assert second.metrics[0].value == 1.0

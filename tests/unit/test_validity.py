"""The study of known unlearners: what its models are trained on, its rules, and its judging of models made up here."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.answers import Answers
from benchmarks.judging import evaluators, is_forgetting
from benchmarks.validity import conclusions, writing
from benchmarks.validity.drawing import picture
from benchmarks.validity.findings import Finding, Summary, find, margin, told, visible_share
from benchmarks.validity.levels import LEVELS, NOOP, RETRAIN, level_data, level_task, remembered_rows
from benchmarks.validity.populations import Trained
from benchmarks.validity.study import Study, study
from harness.evaluation import Direction, Interval, Metric
from harness.references.identity import member_seeds
from harness.tasks.task import Split, Task, TaskData
from reference_models.networks.recipe import ArchitectureSpec, Recipe

TEN, HALF, MOST = LEVELS[1:4]


def _split(name: str, n: int, subjects: int | None = None) -> Split:
    rng = np.random.default_rng(n)
    return Split(
        ids=np.array([f"{name}-{i}" for i in range(n)]),
        images=rng.integers(0, 256, (n, 1, 2, 2), dtype=np.uint8),
        labels=np.arange(n) % 3,
        subjects=None if subjects is None else np.array([f"p{i % subjects}" for i in range(n)]),
    )


DATA = TaskData(
    retain=_split("r", 30),
    forget=_split("f", 40),
    validation=_split("v", 12),
    test=_split("t", 30),
    class_names=("a", "b", "c"),
    mean=(0.5,),
    std=(0.5,),
)
TASK = Task("made-up", "", lambda: DATA, ArchitectureSpec(), Recipe())


def _record(value: float, half_width: float | None = 0.1, direction: Direction = "lower", name: str = "m") -> Metric:
    def around(centre: float) -> Interval | None:
        return None if half_width is None else Interval(low=centre - half_width, high=centre + half_width)

    return Metric(
        name=name,
        value=value,
        direction=direction,
        description="",
        interval=around(value),
        control=0.0,
        control_interval=around(0.0),
        noop=1.0,
        smallest_visible=half_width,
    )


def _found(*values: float, half_width: float | None = 0.1, direction: Direction = "lower") -> Finding:
    return find([_record(value, half_width, direction) for value in values])


def test_a_level_remembers_its_share_of_the_examples() -> None:
    assert [len(remembered_rows(DATA.forget, level.remembered, 0)) for level in LEVELS] == [0, 4, 20, 36, 40]


def test_a_smaller_share_lies_within_a_larger_one() -> None:
    tenth, half, most = (set(remembered_rows(DATA.forget, share, 0).tolist()) for share in (0.1, 0.5, 0.9))

    assert tenth < half < most


def test_subjects_are_remembered_whole() -> None:
    forget = _split("f", 40, subjects=10)
    rows = remembered_rows(forget, 0.1, 0)
    assert forget.subjects is not None

    assert len(rows) == 4
    assert len(set(forget.subjects[rows].tolist())) == 1


def test_a_level_trains_on_retain_and_what_it_remembers_and_is_judged_on_all_of_forget() -> None:
    data = level_data(DATA, HALF, 0)
    kept = DATA.forget.ids[remembered_rows(DATA.forget, 0.5, 0)]

    assert data.retain.ids.tolist() == [*DATA.retain.ids, *kept]
    assert data.forget is DATA.forget


def test_no_model_of_a_level_has_the_seed_of_another_population() -> None:
    tasks = [TASK, *(level_task(TASK, level) for level in LEVELS)]
    seeds = [seed for task in tasks for role in ("retrained", "control") for seed in member_seeds(task, role, 8)]

    assert len(set(seeds)) == len(seeds)


def test_retraining_keeps_the_tasks_data() -> None:
    assert level_data(DATA, RETRAIN, 0) is DATA


def test_rising_values_are_in_order_where_less_is_better() -> None:
    assert _found(0.0, 0.2, 0.5, 0.9, 1.0).order == "right"


def test_rising_values_are_out_of_order_where_more_is_better() -> None:
    assert _found(0.0, 0.3, 0.6, 0.9, 1.2, direction="higher").order == "wrong"


def test_falling_values_are_in_order_where_closeness_to_the_control_counts() -> None:
    assert _found(0.0, -0.2, -0.5, -0.9, -1.0, direction="closer_to_reference").order == "right"


def test_a_fall_that_the_intervals_cover_is_noise() -> None:
    assert _found(0.0, 0.2, 0.5, 1.05, 1.0).order == "noise"


def test_a_fall_beyond_the_intervals_is_wrong() -> None:
    assert _found(0.0, 0.2, 0.5, 1.3, 1.0).order == "wrong"


def test_a_fall_without_interval_is_unsure() -> None:
    assert _found(0.0, 0.2, 0.5, 1.3, 1.0, half_width=None).order == "unsure"


def test_equal_values_are_not_in_order() -> None:
    assert _found(0.0, 0.2, 0.5, 1.0, 1.0).order == "noise"


def test_values_that_differ_in_the_last_digits_are_not_in_order() -> None:
    assert _found(0.0, 0.2, 0.5, 1.0, 1.0 + 1e-6, half_width=None).order == "unsure"


def test_a_level_is_told_where_the_interval_of_its_difference_from_the_control_excludes_0() -> None:
    assert _found(0.0, 0.14, 0.15, 0.9, 1.0).told == ("like control", "like control", "told", "told", "told")


def test_ends_that_face_each_other_count() -> None:
    record = replace(_record(0.2), interval=Interval(low=0.15, high=9.0))

    assert margin(record) == pytest.approx(0.2 - np.hypot(0.05, 0.1))


def test_two_intervals_that_overlap_may_still_differ() -> None:
    record = _record(0.15)
    assert record.interval is not None
    assert record.control_interval is not None

    assert record.interval.low < record.control_interval.high
    assert told(record) == "told"


def test_about_a_twentieth_of_equal_values_are_told_where_errors_are_independent() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2000, 2))
    records = [
        replace(
            _record(value, 1.96),
            control=control,
            control_interval=Interval(low=control - 1.96, high=control + 1.96),
        )
        for value, control in draws.tolist()
    ]

    assert np.mean([told(record) == "told" for record in records]) == pytest.approx(0.05, abs=0.012)


def test_a_p_value_tells_by_itself() -> None:
    def of(value: float) -> Metric:
        return _record(value, None, "none", "difference_p")

    assert [told(of(p)) for p in (0.051, 0.05, 0.001)] == ["like control", "told", "told"]
    assert is_forgetting(of(0.5))
    assert not is_forgetting(_record(0.5, direction="none"))


def test_nothing_is_told_without_interval() -> None:
    assert set(_found(0.0, 0.2, 0.5, 0.9, 1.0, half_width=None).told) == {"no interval"}


def test_the_visible_share_lies_on_the_line_between_the_levels() -> None:
    assert visible_share([-1.0, -1.0, 3.0, 4.0, 5.0]) == pytest.approx(0.1 + 0.4 / 4)


def test_the_visible_share_counts_from_the_last_level_that_is_not_told() -> None:
    assert visible_share([-1.0, 1.0, 2.0, -1.0, 1.0]) == pytest.approx(0.95)


def test_there_is_no_visible_share_where_the_noop_is_not_told() -> None:
    assert visible_share([-1.0, 1.0, 1.0, 1.0, -0.1]) is None


def test_a_metric_detects_from_the_first_level_that_all_blocks_tell() -> None:
    summary = Summary((_found(0.0, 0.3, 0.5, 0.9, 1.0), _found(0.0, 0.1, 0.5, 0.9, 1.0)))

    assert LEVELS[summary.detects_from or 0] is HALF


def test_a_false_alarm_is_no_detection() -> None:
    summary = Summary((_found(0.3, 0.4, 0.5, 0.9, 1.0),))

    assert LEVELS[summary.detects_from or 0] is TEN
    assert summary.told(0) == 1


def test_a_metric_that_misses_the_noop_on_one_block_is_blind() -> None:
    assert Summary((_found(0.0, 0.1, 0.5, 0.9, 1.0), _found(0.0, 0.1, 0.5, 0.9, 0.1))).detects_from is None


@pytest.mark.parametrize("name", ["mean_d_retain", "test_gap", "validation_median"])
def test_a_metric_of_another_split_is_not_one_of_forgetting(name: str) -> None:
    assert not is_forgetting(_record(0.5, name=name))


@pytest.mark.parametrize("name", ["forget_gap", "auc", "retained"])
def test_a_metric_with_a_scale_is_one_of_forgetting(name: str) -> None:
    assert is_forgetting(_record(0.5, name=name))


def _models(remembered: float, seed: int, n_models: int = 16) -> Answers:
    """Logits of models that are surer of the true class by 4 on the remembered examples; noise has deviation 1."""
    rng = np.random.default_rng(seed)
    logits: dict[str, NDArray[np.float32]] = {}
    for name in ("retain", "forget", "validation", "test"):
        labels = DATA.split(name).labels
        values = rng.normal(size=(n_models, len(labels), 3))
        rows = remembered_rows(DATA.forget, remembered, 0) if name == "forget" else np.empty(0, np.int64)
        values[:, rows, labels[rows]] += 4.0
        logits[name] = values.astype(np.float32)
    return Answers(logits, {})


@pytest.fixture(scope="module")
def judged() -> Study:
    references = {
        role: _models(role == "original", seed) for seed, role in enumerate(("original", "retrained", "control"))
    }
    levels = {level.name: _models(level.remembered, 10 + i) for i, level in enumerate(LEVELS)}
    trained = Trained(TASK, DATA, references, levels | {NOOP.name: references["original"]})
    return study(trained, (8, 16, 32), evaluators(("forgetting", "ks", "lira")))


def test_models_that_remember_more_rank_worse(judged: Study) -> None:
    found = judged.summaries[16]

    names = ("forgetting.memory_left", "forgetting.shift", "ks.mean_d", "lira.auc", "lira.direction")

    assert {name: found[name].orders("right") for name in names} == dict.fromkeys(names, 1)


def test_the_test_for_a_difference_tells_all_levels_but_retraining(judged: Study) -> None:
    (finding,) = judged.summaries[16]["forgetting.difference_p"].blocks

    assert finding.told == ("like control", "told", "told", "told", "told")


def test_a_size_is_judged_on_all_its_blocks_and_left_out_beyond_the_models(judged: Study) -> None:
    assert {size: len(found["lira.auc"].blocks) for size, found in judged.summaries.items()} == {8: 2, 16: 1}


def test_the_noop_level_is_the_reports_noop(judged: Study) -> None:
    finding = judged.summaries[16]["lira.auc"].blocks[0]

    assert finding.told[-1] == "told"
    assert finding.values[-1] > 0.9


def test_the_tables_have_a_row_for_every_task_size_and_metric(judged: Study) -> None:
    expected = [("made-up", size, name) for size, found in judged.summaries.items() for name in found]

    for table in (writing.ranking([judged]), writing.values([judged])):
        assert [tuple(row[:3]) for row in table.rows] == expected
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_the_ranking_counts_blocks_by_order_and_by_level(judged: Study) -> None:
    found = judged.summaries[16]["ks.mean_d"]
    table = writing.ranking([judged])
    row = dict(zip(table.head, next(row for row in table.rows if row[1:3] == [16, "ks.mean_d"]), strict=True))

    assert (row["blocks"], row["right"], row["wrong"]) == (1, 1, 0)
    assert row["detects from"] == LEVELS[found.detects_from or 0].remembered
    assert [row[f"told: {level.name}"] for level in LEVELS] == [found.told(i) for i in range(len(LEVELS))]


def test_the_page_has_the_findings_and_the_most_sensitive_metrics_of_every_size(judged: Study) -> None:
    page = writing.page([judged], "## Made with\n")

    assert conclusions.text([judged]) in page
    assert [line.split()[1:4:2] for line in page.splitlines() if line.startswith("| made-up")] == [
        ["made-up", str(size)] for size in judged.sizes
    ]


def test_the_picture_is_well_formed_and_names_every_metric(judged: Study) -> None:
    texts = {element.text for element in ElementTree.fromstring(picture([judged])).iter()}  # noqa: S314

    assert set(judged.metrics()) <= texts

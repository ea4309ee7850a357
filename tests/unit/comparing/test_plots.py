from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.comparing import compare
from harness.comparing.intervals_plot import intervals_plot
from harness.comparing.scatter import panels, scatter
from harness.comparing.trade_off import forgotten, forgotten_ends, frontier
from harness.report.svg.drawing import Scale, padded, shortened_apart
from harness.report.svg.placing import Box, place
from tests.unit.comparing.samples import HOSTILE, loaded, records
from tests.unit.report.examples import evaluator


def drawn(*aucs: float) -> list[str]:
    made = compare([loaded(f"method{index}", auc) for index, auc in enumerate(aucs)])
    assert made.trade_off is not None
    return [scatter(panel, made.trade_off) for panel in panels(made.trade_off)]


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  (our own)


def test_overshooting_counts_as_falling_short() -> None:
    assert forgotten(0.8) == pytest.approx(forgotten(1.2)) == pytest.approx(0.8)
    assert forgotten_ends(0.7, 0.9) == pytest.approx((0.7, 0.9))
    assert forgotten_ends(1.1, 1.4) == pytest.approx((0.6, 0.9))
    assert forgotten_ends(0.9, 1.3) == pytest.approx((0.7, 1.0))


def test_the_frontier_holds_what_no_other_beats_on_both() -> None:
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (3.0, 1.0), (0.5, 4.5), (3.0, 0.5)]

    assert frontier(points) == [(3.0, 1.0), (2.0, 4.0), (1.0, 5.0)]


def test_the_frontier_agrees_with_its_definition_on_random_points() -> None:
    points = [tuple(map(float, pair)) for pair in np.random.default_rng(3).integers(0, 8, (60, 2))]

    def beaten(one: tuple[float, ...]) -> bool:
        return any(other != one and other[0] >= one[0] and other[1] >= one[1] for other in points)

    assert sorted(frontier(points)) == sorted({one for one in points if not beaten(one)})  # type: ignore[arg-type]


def test_a_method_that_another_beats_on_all_three_is_named_with_it() -> None:
    made = compare([loaded("good", 0.6), loaded("bad", 0.8)])

    assert made.trade_off is not None
    assert [point.dominated_by for point in made.trade_off.points] == [(), ("good",)]


def test_a_method_without_a_place_is_left_out_of_the_plots() -> None:
    made = compare([loaded("a", 0.6), loaded("b", 0.8), loaded("c", evaluators=records(0.7, position=None))])

    assert made.trade_off is not None
    pictures = [scatter(panel, made.trade_off) for panel in panels(made.trade_off)]
    assert all(">b<" in picture and ">c<" not in picture for picture in pictures)


def test_without_two_methods_that_have_a_place_there_are_no_plots() -> None:
    assert (
        compare([loaded("a"), loaded("c", evaluators=(evaluator("lira"),))], metrics=["accuracy.test"]).trade_off
        is None
    )


def test_what_beats_all_others_is_drawn_full_and_what_is_beaten_hollow() -> None:
    picture = drawn(0.6, 0.8)[1]

    assert picture.count("point best") == 1
    assert picture.count("point beaten") == 1


def test_every_picture_has_a_title_a_description_with_all_numbers_and_unlike_ids() -> None:
    pictures = [parsed(text) for text in drawn(0.6, 0.8)]

    for picture in pictures:
        names = (picture.get("aria-labelledby") or "").split()
        parts = {child.get("id"): child.text or "" for child in picture}
        assert "Forgetting against" in parts[names[0]]
        assert "method1: 25 % of the way to perfect" in parts[names[1]]
    ids = [child.get("id") for picture in pictures for child in picture.iter() if child.get("id")]
    assert len(set(ids)) == len(ids) == 4


def test_a_method_that_is_far_off_is_drawn_at_the_edge_with_its_number() -> None:
    picture = drawn(0.6, 3.0)[0]

    assert ">method1 (-525)<" in picture
    assert re.search(r'<polygon points="[^"]*" ?/?>', picture)


def clear(boxes: list[Box]) -> bool:
    return all(first.cost([second]) == 0 for first, second in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_twenty_scattered_methods_cover_neither_each_other_nor_a_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in zip(rng.uniform(70, 450, 20), rng.uniform(30, 330, 20), strict=True)]
    area = Box(60, 2, 478, 344)

    boxes = place(points, [75.0] * 20, area)

    assert clear(boxes)
    assert all(box.within(area) for box in boxes)
    assert all(box.cost([Box(x - 5, y - 5, x + 5, y + 5)]) == 0 for box in boxes for x, y in points)


def test_labels_of_methods_in_one_place_still_lie_apart() -> None:
    assert clear(place([(200.0, 200.0)] * 8, [70.0] * 8, Box(0, 0, 480, 400)))


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Scale(0.03, 4, log=True), [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (Scale(0.001, 5000, log=True), [0.001, 0.01, 0.1, 1, 10, 100, 1000]),
        (Scale(-0.25, 0.25), [-0.2, -0.1, 0, 0.1, 0.2]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(scale: Scale, expected: list[float]) -> None:
    assert scale.ticks() == pytest.approx(expected)


def test_a_scale_of_one_value_has_some_width() -> None:
    assert padded([0.5]).low < 0.5 < padded([0.5]).high
    assert padded([0.0]).low < 0 < padded([0.0]).high
    assert padded([2.0], log=True).low < 2 < padded([2.0], log=True).high


def test_an_interval_plot_shows_each_method_its_interval_and_both_ends_of_the_scale() -> None:
    made = compare([loaded("a", 0.8), loaded("b", 0.6), loaded(HOSTILE, 0.8)])

    picture = intervals_plot(made, made.rows[0])

    parsed(picture)
    assert picture.count("<circle") == picture.count('"whisker"') == 3
    assert picture.count('class="line control"') == picture.count('class="line noop"') == 1
    assert picture.count('class="sign good"') == 1
    assert "better than a" in picture
    assert "<script" not in picture


def test_names_that_begin_alike_are_cut_in_the_middle() -> None:
    texts = ["noise (noise-faces-20261122-101500)", "noise (noise-faces-20261122-113000)", "short"]

    assert shortened_apart(texts, 20) == ["noise (noi…2-101500)", "noise (noi…2-113000)", "short"]


def test_a_long_name_unlike_the_others_is_cut_at_its_end() -> None:
    assert shortened_apart(["noise (a-folder-of-ours)", "finetune"], 20) == ["noise (a-folder-of-…", "finetune"]

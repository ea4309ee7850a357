from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from harness.evaluation import Interval, Metric
from harness.report.document import Report
from harness.report.page import render_page
from harness.report.svg import difference_figures, recovery_figure
from harness.report.svg.attack_figures import delta, taken_for
from harness.report.svg.figure import Figure, Missing
from harness.report.svg.figures import figures
from harness.report.svg.model_plots import Bar, bars
from harness.report.svg.plots import Series, histogram, ranked, roc
from harness.report.svg.representation_figure import representation
from tests.unit.report.examples import accuracy_metric, auc_metric, build_report, evaluator, timeout
from tests.unit.report.samples import ROC, full_evaluators, full_report


def drawn(report: Report) -> dict[str, Figure]:
    return {one.title: one for one in figures(report) if isinstance(one, Figure)}


def reasons(report: Report) -> dict[str, str]:
    return {one.title: one.reason for one in figures(report) if isinstance(one, Missing)}


def shares(svg: str, line: int = 0) -> np.ndarray:
    """Heights of a histogram's bins, read from one of its lines; they sum to 1 whatever the scale of the plot."""
    points = [
        point.split(",") for point in re.findall('<polyline class="line[^"]*" points="([^"]*)"', svg)[line].split()
    ]
    heights = float(points[0][1]) - np.array([float(y) for _, y in points[1:-1:2]])
    return np.asarray(heights / heights.sum())


def test_a_full_report_has_every_plot_of_the_page() -> None:
    report = full_report()

    assert list(drawn(report)) == [
        "Utility against forgetting",
        "ROC of the likelihood-ratio attack",
        "Epsilon by example, the challenge's attacks",
        "Kolmogorov-Smirnov distance by forgotten example",
        "Accuracy of each model",
        "Time per model against the limit",
        "Where a model's time went",
        "Where the run's time went",
    ]
    assert reasons(report) == {}


def test_memory_that_comes_back_is_drawn_by_condition_over_the_controls_band() -> None:
    def row(name: str, value: float | None) -> Metric:
        ends = Interval(0.2, 0.6), Interval(-0.1, 0.1)
        return Metric(
            name, value, "none", "", unit="share", interval=ends[0], control=0.0, control_interval=ends[1], noop=1.0
        )

    names = ("memory_before", "memory_retain", "memory_retain_5", "memory_bits_4", "memory_noise_20")
    metrics = [row(name, 0.4) for name in names] + [row("memory_regained", 0.4), row("memory_bits_8", None)]
    figure = drawn(build_report(evaluators=(evaluator("durability", *metrics),)))[recovery_figure.TITLE]

    words = re.findall(r'<text[^>]*text-anchor="end"[^>]*>([^<]*)<', figure.svg)
    assert words == ["before", "retain", "retain + 5", "4 bits", "noise 20 %"]
    assert figure.svg.count('class="band"') == len(words)
    assert "before: this plugin 40.0 %, control 0.0 %, no-op 100.0 %" in figure.svg


def test_without_memory_to_come_back_there_is_no_plot() -> None:
    nothing = Metric("memory_before", None, "none", "", note="Not computed: nothing.")
    assert recovery_figure.recovery(evaluator("durability", nothing)) is None
    assert recovery_figure.recovery(evaluator("forgetting", Metric("memory_left", 0.4, "none", ""))) is None


@pytest.mark.parametrize("size", [1e308, -1e308])
def test_a_report_with_numbers_near_the_end_of_the_range_is_drawn(size: float) -> None:
    report = full_report()
    odd = tuple(
        one.model_copy(update={"metrics": tuple(replace(m, value=size, position=size) for m in one.metrics)})
        for one in report.evaluators
    )

    page = render_page(report.model_copy(update={"evaluators": odd}))

    assert "Utility against forgetting" in page


def test_what_cannot_be_drawn_says_why() -> None:
    broken = evaluator("ks").model_copy(update={"error": "ValueError"})
    silent = evaluator("lira", auc_metric(value=None, interval=None, note="One model only."))
    told = reasons(build_report(evaluators=(broken, silent, evaluator("forgetting_quality"))))

    assert "was not run" in told["Accuracy of each model"]
    assert "failed" in told["Kolmogorov-Smirnov distance by forgotten example"]
    assert told["ROC of the likelihood-ratio attack"] == "One model only"
    assert "harness evaluate" in told["Epsilon by example"]


def test_the_plane_holds_the_plugin_the_control_and_the_no_op_with_their_numbers() -> None:
    figure = drawn(full_report())["Utility against forgetting"]

    assert [figure.svg.count(f'"spot {kind}"') for kind in ("unlearned", "control", "noop")] == [1, 1, 1]
    assert "this plugin: auc 0.580 (0.550 to 0.610), accuracy on the test set 88.0 % (87.0 to 89.0 %)" in figure.svg
    assert figure.svg.count('class="whisker') == 3


def test_the_band_of_the_distances_is_exact_where_the_report_has_it_and_else_the_controls() -> None:
    exact, d = drawn(full_report()), np.linspace(0, 1, 201)
    older = evaluator("ks", d_unlearned=d, d_control=d)

    title = "Kolmogorov-Smirnov distance by forgotten example"
    assert "(exact" in exact[title].caption
    told = drawn(build_report(evaluators=(older,)))[title].caption
    assert "from the control" in told
    assert "Above the band: 5 of 201 (control), 5 of 201 (this plugin)" in told


def test_accuracies_are_a_dot_per_model_and_of_older_reports_means_with_intervals() -> None:
    new = drawn(full_report())["Accuracy of each model"]
    old = drawn(build_report(evaluators=(evaluator("accuracy", accuracy_metric()),)))["Accuracy of each model"]

    assert new.svg.count("h0") == 4 * 4 * 6
    assert old.svg.count("h0") == 3
    assert "Means over models" in old.caption


def test_arrays_of_other_names_make_no_figure() -> None:
    arrays = {
        "something": np.ones(3),
        "matrix_unlearned": np.ones((2, 2)),
        "accuracy_per_class_control": np.ones(10),
        "test_per_model_unlearned": np.ones(4),
        "position_interval_auc": np.ones(2),
        "p_unlearned": np.ones(9),
        "p_control": np.ones(9),
    }
    record = evaluator("mine", **arrays, roc_tpr_control=np.ones(2))

    assert list(drawn(build_report(evaluators=(record,)))) == [
        "Time per model against the limit",
        "Where the run's time went",
    ]


def test_an_array_without_words_is_named_after_itself() -> None:
    made = drawn(build_report(evaluators=(evaluator("mine", some_thing_unlearned=np.arange(9.0)),)))

    assert ">some thing</text>" in made["mine: some thing"].svg


def test_another_evaluators_roc_is_drawn_as_well() -> None:
    made = drawn(build_report(evaluators=(evaluator("mine", **ROC), *full_evaluators())))

    assert "ROC of the attack (mine)" in made
    assert made["ROC of the attack (mine)"].kinds == ("control", "noop", "unlearned", "mark")


def test_a_far_value_does_not_squeeze_the_others_and_is_told() -> None:
    values = np.append(np.linspace(0, 3, 40), 50.0)
    made = drawn(build_report(evaluators=(evaluator("mine", x_unlearned=values),)))["mine: x"]

    assert "the farthest is 50." in made.caption
    assert ">above</text>" in made.svg
    assert ">50</text>" not in made.svg
    assert shares(made.svg)[-1] == pytest.approx(1 / 41, abs=2e-3)


def test_what_stands_for_infinity_is_counted_apart_though_it_be_frequent() -> None:
    values = np.concatenate([np.linspace(0, 3, 20), np.full(20, 50.0)])
    svg = histogram([Series("control", values)], "x", "y", cap=50.0)

    assert shares(svg)[-1] == pytest.approx(0.5, abs=2e-3)
    assert shares(svg)[-2] == 0
    assert ">3</text>" not in svg  # its place is taken by the word
    assert ">above</text>" in svg


@pytest.mark.parametrize(
    "values", [np.repeat(np.arange(33) / 32, 5), np.repeat(np.log(np.arange(4, 16)), 5)], ids=["lattice", "few values"]
)
def test_few_different_values_make_no_comb(values: np.ndarray) -> None:
    assert (shares(histogram([Series("control", values)], "x", "y")) > 0).all()


@pytest.mark.parametrize("values", [np.zeros(5), np.full(1, 50.0)], ids=["zeros", "one"])
def test_a_histogram_copes_with_equal_values(values: np.ndarray) -> None:
    assert shares(histogram([Series("control", values)], "x", "y", cap=50.0)).max() == 1


def test_a_failed_model_is_marked_in_the_time_plot_by_colour_and_by_a_cross() -> None:
    svg = bars([Bar(0, 0.5, True, "a"), Bar(1, 1.0, False, "b"), Bar(2, None, False, "c")], 1.0, "times", "")

    assert re.findall('<rect class="([^"]*)"', svg) == ["bar unlearned", "bar bad", "bar bad"]
    assert svg.count('class="cross"') == 4
    assert ">dashed: limit 1.00 s</text>" in svg


def test_a_run_that_never_charged_time_has_no_time_plot() -> None:
    assert drawn(build_report(outcomes=[replace(timeout(0), charged_s=None)], evaluators=(), phases={})) == {}


def test_a_roc_curve_leaves_out_where_it_is_zero() -> None:
    rates = np.array([0.01, 0.1, 1.0])
    svg = roc(rates, [Series("unlearned", np.array([0.0, 0.2, 1.0]))], "ROC")

    assert len(re.findall('class="line unlearned" points="([^"]*)"', svg)[0].split()) == 2


def test_many_distances_are_drawn_in_bounded_space() -> None:
    values = np.random.default_rng(0).uniform(size=50_000)

    assert len(ranked([Series("unlearned", values)], (0.1, 0.2, 0.3), "KS")) < 12_000


def test_features_are_drawn_by_layer_from_input_to_output() -> None:
    values = {"refit_phi": 2.0, "refit_phi_layer_1_2": -1.0, "refit_phi_layer_2_5": None, "cka_excess": 0.1}
    metrics = [
        Metric(name, value, "closer_to_reference", "", interval=Interval(-3, 3), control=0.5, noop=2.5, note="none")
        for name, value in values.items()
    ]
    record = evaluator("representation", *metrics)
    figure = representation(record)
    assert figure is not None
    assert "layer 2" not in figure.svg
    assert figure.svg.index("layer 1 (2)") < figure.svg.index("before the last layer")
    assert representation(evaluator("other", *metrics)) is None


def test_the_bound_of_delta_is_drawn_against_epsilon_for_each_population() -> None:
    arrays = {"epsilon": [0.0, 2.0, 4.0], "unlearned_delta": [0.9, 0.5, 0.0], "control_delta": [0.0, 0.0, 0.0]}
    record = evaluator("joint").model_copy(update={"arrays": arrays})
    figure = delta(record)
    assert figure is not None
    assert figure.kinds == ("unlearned", "control")
    assert "0: 0.9, 2: 0.5, 4: 0" in figure.svg
    assert delta(record.model_copy(update={"name": "other"})) is None
    assert delta(record.model_copy(update={"arrays": {**arrays, "unlearned_delta": [0.5]}})) is None


def test_classes_are_drawn_by_name_from_the_most_probable_of_the_control() -> None:
    arrays = {
        "remaining_classes": [0.0, 2.0, 7.0],
        "remaining_per_class_unlearned": [0.2, 0.3, 0.5],
        "remaining_per_class_control": [0.1, 0.7, 0.2],
    }
    record = evaluator("class_forgetting").model_copy(update={"arrays": arrays})
    figure = taken_for(record, ["a < b", "gone", "cat"])
    assert figure is not None
    assert figure.kinds == ("unlearned", "control")
    assert figure.svg.index(">cat<") < figure.svg.index(">class 7<") < figure.svg.index(">a &lt; b<")
    assert taken_for(record.model_copy(update={"name": "other"}), []) is None
    assert taken_for(record.model_copy(update={"arrays": {**arrays, "remaining_classes": [0.0]}}), []) is None


def test_changes_of_weights_are_drawn_by_part_and_on_the_line() -> None:
    metrics = [
        Metric(name, 0.4, "none", "", interval=Interval(0.3, 0.5), control=1.0, noop=0.0)
        for name in ("distance", "distance_part_1_0", "distance_part_2_fc")
    ]
    mean = np.array([0.2, 0.9, 0.3])
    arrays = {
        f"{kind}_on_line_retain": np.array([mean, mean - 0.1, mean + 0.1]) * height
        for kind, height in (("unlearned", 0.5), ("control", 1.0))
    }
    made = drawn(build_report(evaluators=(evaluator("difference", *metrics, **arrays),)))

    by_part = made[difference_figures.BY_PART]
    assert by_part.svg.index("part 1 (0)") < by_part.svg.index("part 2 (fc)")
    on_line = made[difference_figures.ON_LINE["retain"]]
    assert on_line.kinds == ("unlearned", "control")
    assert "this plugin: 0: 0.1, 0.5: 0.45, 1: 0.15" in on_line.svg
    assert difference_figures.ON_LINE["test"] not in made
    assert difference_figures.difference(evaluator("other", *metrics, **arrays)) == []

"""A picture for each entry of the glossary: what the metric measures, on a small seeded example."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import fmean

from harness.report.svg.drawing import Frame, Picture
from harness.report.svg.glossary_attacks import by_memorisation, class_forgetting, collateral, joint
from harness.report.svg.glossary_parts import (
    bars,
    curve,
    draws,
    note,
    outline,
    rows,
    seeded,
    started,
    steps,
    strip,
    upright,
)
from harness.report.svg.glossary_weights import change_of_weights, feature_similarity, new_head, recovery

SQUARE = Frame(width=480, height=290, left=110, right=370, top=14, bottom=242)
MODELS = 24
SHUFFLES = 999


@cache
def picture_of(anchor: str) -> str:
    """Return the SVG of an entry of the glossary; its colours come from ``plots.css``.

    Raises:
        KeyError: the glossary has no such entry.
    """
    return PICTURES[anchor]().text()


def difference() -> Picture:
    """Draw the differences of shuffled names, and the real one."""
    random = seeded(1)
    values = draws(random, MODELS, 0.85) + draws(random, MODELS)

    def gap(order: Sequence[float]) -> float:
        return abs(fmean(order[:MODELS]) - fmean(order[MODELS:]))

    real, shuffled = gap(values), []
    for _ in range(SHUFFLES):
        random.shuffle(values)
        shuffled.append(gap(values))
    p = (1 + sum(one >= real for one in shuffled)) / (1 + SHUFFLES)
    picture = started("Test for any difference", f"The real difference is larger; p = {p:.3f}.", (0, 1.4), (0, 22))
    picture.x_axis("difference between the two groups of models")
    picture.y_axis("shuffles, %")
    outline(picture, shuffled, steps(0, 1.4, 28), "control", filled=False)
    upright(picture, real, "line unlearned")
    note(picture, 0.36, 14, "names shuffled", "control")
    note(picture, real - 0.02, 19, f"real names: p = {p:.3f}", "unlearned", "end")
    return picture


def memory_left() -> Picture:
    """Draw the shifts of examples after unlearning over those before, with their slope."""
    random = seeded(2)
    before = [random.uniform(0.1, 3.6) for _ in range(60)]
    after = [0.35 * x + random.normalvariate(0, 0.3) for x in before]
    slope = sum(x * y for x, y in zip(before, after, strict=True)) / sum(x * x for x in before)
    picture = started("Memory left", f"A dot is a forgotten example; the slope is {slope:.0%}.", (0, 4), (-0.8, 4))
    picture.x_axis("shift before unlearning, standard deviations")
    picture.y_axis("shift after it")
    for share, kind in ((1.0, "noop"), (0.0, "control"), (slope, "unlearned")):
        curve(picture, [(0, 0), (4, 4 * share)], f"line {kind}")
    picture.dots([(picture.px(x), picture.py(y)) for x, y in zip(before, after, strict=True)], "unlearned")
    note(picture, 2.75, 3.3, "nothing done: 100 %", "noop", "end")
    note(picture, 3.98, 1.75, f"this method: {100 * slope:.0f} %", "unlearned", "end")
    note(picture, 3.98, -0.5, "retrained: 0 %", "control", "end")
    return picture


def memory_bound() -> Picture:
    """Draw intervals of the memory left by several views, and the largest upper end."""
    views = (("exact inputs", 12, 6, 18), ("from the test set", 9, 1, 17), ("all queries", 16, 9, 23))
    frame = Frame(width=480, height=250, left=130, right=450, top=30, bottom=202)
    picture = started("Upper bound of the memory left", "Three intervals; the bound is 23 %.", (-10, 60), (0, 1), frame)
    picture.x_axis("memory left, % (0: retrained, 100: nothing done)")
    upright(picture, 0, "line control")
    upright(picture, 23, "line limit")
    for (_, value, low, high), y in zip(views, rows(picture, [(one[0], "") for one in views]), strict=True):
        picture.whisker(picture.px(low), picture.px(high), y, "whisker unlearned")
        picture.element(
            "circle", {"class": "spot unlearned", "cx": f"{picture.px(value):.1f}", "cy": f"{y:.1f}", "r": "5"}
        )
    picture.words(picture.px(0), 22, "retrained", "middle", "name control")
    picture.words(picture.px(23), 22, "bound: at most 23 % is left", "start", "name")
    return picture


def accuracy() -> Picture:
    """Draw the accuracy of models on three splits."""
    random = seeded(4)
    frame = Frame(width=480, height=270, left=70, right=456, top=30, bottom=222)
    picture = started(
        "Accuracy",
        "On the forget set the method lies between retrained and untouched models.",
        (40, 100),
        (0, 1),
        frame,
    )
    picture.x_axis("accuracy, % (a dot is a model)")
    centres = {"retain": (86, 90, 90), "forget": (76, 88, 56), "test": (54, 57, 55)}
    for means, y in zip(centres.values(), rows(picture, [(name, "") for name in centres]), strict=True):
        for kind, mean, shift in zip(("unlearned", "noop", "control"), means, (0, -19, 19), strict=True):
            values = draws(random, 8, mean, 1.1)
            picture.dots([(picture.px(value), y + shift) for value in values], kind)
    for at, text, kind in (
        (40, "above: nothing done", "noop"),
        (60, "middle: this method", "unlearned"),
        (81, "below: retrained", "control"),
    ):
        picture.words(picture.px(at), 18, text, "start", f"name {kind}")
    return picture


def likelihood_ratio_attack() -> Picture:
    """Draw the ROC curve of an attack."""
    random = seeded(5)
    unlearned, retrained = sorted(draws(random, 60, 1.1)), sorted(draws(random, 60))
    cuts = sorted([*unlearned, *retrained], reverse=True)

    def above(values: Sequence[float], cut: float) -> float:
        return (len(values) - bisect.bisect_left(values, cut)) / len(values)

    points = [(0.0, 0.0), *((above(retrained, cut), above(unlearned, cut)) for cut in cuts)]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))
    picture = started("Likelihood-ratio attack", f"The area under the curve is {area:.2f}.", (0, 1), (0, 1), SQUARE)
    picture.x_axis("share of retrained models mistaken")
    picture.y_axis("share of unlearned models recognised")
    picture.area([(picture.px(x), picture.py(y)) for x, y in (*points, (1, 0))], "fill unlearned")
    curve(picture, [(0, 0), (1, 1)], "line mark")
    curve(picture, points, "line unlearned")
    note(picture, 0.4, 0.62, f"AUC = {area:.2f}", "unlearned")
    note(picture, 0.62, 0.5, "coin toss: 0.5")
    return picture


def direction() -> Picture:
    """Draw shifts of examples for three methods."""
    random = seeded(6)
    frame = Frame(width=480, height=250, left=126, right=462, top=14, bottom=202)
    picture = started(
        "Direction of the shift", "Right of 0: too little forgotten; left of it: too much.", (-3, 3), (0, 1), frame
    )
    picture.x_axis("shift of an example, standard deviations")
    upright(picture, 0, "line mark")
    methods = (("too little, +", "noop", 1.1), ("as retrained, 0", "control", 0.0), ("too much, −", "unlearned", -1.0))
    for (_, kind, mean), y in zip(methods, rows(picture, [one[:2] for one in methods]), strict=True):
        strip(picture, draws(random, 40, mean, 0.6), y, kind)
    return picture


def ks_distance() -> Picture:
    """Draw two cumulative distributions, and their largest gap."""
    random = seeded(7)
    unlearned, retrained = sorted(draws(random, MODELS, 1.2, 0.9)), sorted(draws(random, MODELS))

    def below(values: Sequence[float], at: float) -> float:
        return bisect.bisect_right(values, at) / len(values)

    at = max([*unlearned, *retrained], key=lambda one: abs(below(unlearned, one) - below(retrained, one)))
    low, high = below(unlearned, at), below(retrained, at)
    picture = started("Kolmogorov-Smirnov distance", f"The largest gap is {high - low:.2f}.", (-3, 4), (0, 1))
    picture.x_axis("confidence of a model in the example's class (logit)")
    picture.y_axis("share of models below")
    for values, kind in ((retrained, "control"), (unlearned, "unlearned")):
        ends = [-3.0, *values, 4.0]
        stairs = [(x, below(values, start)) for start, end in itertools.pairwise(ends) for x in (start, end)]
        curve(picture, stairs, f"line {kind}")
    curve(picture, [(at, low), (at, high)], "line limit")
    note(picture, 0.95, 0.1, f"largest gap: D = {high - low:.2f}")
    note(picture, -2.9, 0.5, "retrained", "control")
    note(picture, 2.7, 0.7, "unlearned", "unlearned")
    return picture


def forgetting_quality() -> Picture:
    """Draw the points of examples over their epsilon."""
    random = seeded(8)
    epsilons = [abs(random.normalvariate(1.1, 0.8)) for _ in range(40)]
    points = [0.5 ** math.floor(2 * one) for one in epsilons]
    mean = fmean(points)
    picture = started("Forgetting quality", f"The mean of the points is F = {mean:.2f}.", (0, 3.5), (0, 1.08))
    picture.x_axis("epsilon of the best attack on an example")
    picture.y_axis("points")
    curve(picture, [(x, 0.5**step) for step in range(7) for x in (step / 2, step / 2 + 0.5)], "line mark")
    picture.dots([(picture.px(x), picture.py(y)) for x, y in zip(epsilons, points, strict=True)], "unlearned")
    curve(picture, [(0, mean), (3.5, mean)], "line limit")
    note(picture, 3.45, mean + 0.05, f"mean: F = {mean:.2f}", anchor="end")
    note(picture, 0.6, 0.95, "a dot is a forgotten example", "unlearned")
    return picture


def time() -> Picture:
    """Draw the time of unlearning beside that of retraining."""
    frame = Frame(width=480, height=170, left=110, right=420, top=14, bottom=122)
    picture = started("Time", "Unlearning takes 14 % of the time of retraining.", (0, 110), (0, 1), frame)
    picture.x_axis("median time of a model, % of retraining")
    bars(picture, (("retraining", "control", 100), ("this method", "unlearned", 14)), "%")
    return picture


def wrong_labels() -> Picture:
    """Draw the share of wrong labels that models still give."""
    frame = Frame(width=480, height=220, left=116, right=420, top=14, bottom=172)
    picture = started(
        "Wrong labels", "The method lies between untouched and retrained models.", (0, 100), (0, 1), frame
    )
    picture.x_axis("mislabelled examples still given the wrong label, %")
    bars(picture, (("nothing done", "noop", 82), ("this method", "unlearned", 41), ("retrained", "control", 14)), "%")
    return picture


def confusion() -> Picture:
    """Draw a confusion matrix whose confused classes stand out."""
    table = ((61, 35, 4), (31, 64, 5), (6, 3, 91))
    picture = started(
        "Confusion of classes", "A and B are taken for each other in 33 % of cases.", (0, 3), (0, 3), SQUARE
    )
    for row, shares in enumerate(table):
        middle = picture.py(2.5 - row)
        for column, share in enumerate(shares):
            confused = {row, column} == {0, 1}
            left, right = picture.px(column) + 2, picture.px(column + 1) - 2
            picture.box(left, middle - 36, right, middle + 36, "fill unlearned" if confused else "band")
            picture.words((left + right) / 2, middle + 4.5, f"{share} %", kind="name unlearned" if confused else "name")
        picture.words(SQUARE.left - 10, middle + 4.5, f"class {'ABC'[row]}", "end", "name")
        picture.words(picture.px(row + 0.5), SQUARE.bottom + 18, f"taken for {'ABC'[row]}")
    picture.words(
        (SQUARE.left + SQUARE.right) / 2,
        SQUARE.bottom + 38,
        "A and B are confused: (35 + 31) / 2 = 33 %",
        kind="name unlearned",
    )
    return picture


def membership() -> Picture:
    """Draw losses of forgotten and unseen examples, and a threshold between them."""
    random = seeded(12)
    forgotten = [math.exp(one) for one in draws(random, 200, -1.3, 0.7)]
    unseen = [math.exp(one) for one in draws(random, 200, -0.3, 0.6)]
    cut = 0.45
    right = (sum(one < cut for one in forgotten) + sum(one >= cut for one in unseen)) / 400
    picture = started("Membership inference", f"The threshold is right for {right:.0%} of examples.", (0, 2.4), (0, 45))
    picture.x_axis("loss of one model on an example")
    picture.y_axis("examples, %")
    edges = steps(0, 2.4, 16)
    outline(picture, unseen, edges, "control", filled=False)
    outline(picture, forgotten, edges, "unlearned", filled=True)
    upright(picture, cut, "line limit")
    note(picture, cut + 0.04, 41, f"threshold: right for {right:.0%}".replace("%", " %"))
    note(picture, 0.5, 30, "forgotten examples", "unlearned")
    note(picture, 1.1, 15, "unseen examples", "control")
    return picture


def before_after() -> Picture:
    """Draw the confidence in examples after unlearning over that before."""
    random = seeded(13)
    forgotten = [(x, x - 1.6 + random.normalvariate(0, 0.6)) for x in draws(random, 40, 2.2, 0.9)]
    unseen = [(x, x + random.normalvariate(0, 0.35)) for x in draws(random, 40, 0.3, 1.2)]
    picture = started(
        "Models before and after", "Forgotten examples lose confidence, unseen ones do not.", (-3, 5), (-3, 5), SQUARE
    )
    picture.x_axis("confidence before unlearning (logit)")
    picture.y_axis("confidence after it (logit)")
    curve(picture, [(-3, -3), (5, 5)], "line mark")
    for points, kind in ((unseen, "control"), (forgotten, "unlearned")):
        picture.dots([(picture.px(x), picture.py(y)) for x, y in points], kind)
    note(picture, -2.8, 2.4, "unseen examples", "control")
    note(picture, 1.1, -2.2, "forgotten examples", "unlearned")
    return picture


def divergence() -> Picture:
    """Draw the posteriors of two models."""
    ours, theirs = (62, 21, 11, 6), (38, 33, 19, 10)
    picture = started(
        "Distance of posteriors", "Two models give different probabilities to four classes.", (0, 4), (0, 75)
    )
    picture.y_axis("probability, %")
    frame = picture.frame
    picture.path([(frame.left, frame.bottom), (frame.right, frame.bottom)], "axis")
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        picture.box(picture.px(place + 0.14), picture.py(one), picture.px(place + 0.48), frame.bottom, "bar unlearned")
        picture.box(picture.px(place + 0.52), picture.py(other), picture.px(place + 0.86), frame.bottom, "bar control")
        picture.words(picture.px(place + 0.5), frame.bottom + 18, f"class {'ABCD'[place]}")
    note(picture, 1.5, 64, "unlearned model", "unlearned")
    note(picture, 1.5, 54, "retrained model", "control")
    return picture


def klom() -> Picture:
    """Draw the histograms of confidence of two populations."""
    random = seeded(15)
    unlearned, retrained = draws(random, 64, 1.3, 0.8), draws(random, 64)
    low, high = min(*unlearned, *retrained), max(*unlearned, *retrained)
    picture = started("KL divergence of margins", "Two histograms in 20 bins.", (low, high), (0, 24))
    picture.x_axis("confidence of a model in one example's class (logit)")
    picture.y_axis("models, %")
    edges = steps(low, high, 20)
    outline(picture, retrained, edges, "control", filled=False)
    outline(picture, unlearned, edges, "unlearned", filled=True)
    note(picture, low + 0.2, 18, "retrained", "control")
    note(picture, high - 0.1, 18, "unlearned", "unlearned", "end")
    return picture


def variance() -> Picture:
    """Draw several models of each of some originals."""
    random = seeded(16)
    frame = Frame(width=480, height=270, left=100, right=462, top=10, bottom=222)
    picture = started(
        "Variance between models", "Means differ between originals, dots within one.", (-3, 3), (0, 1), frame
    )
    picture.x_axis("confidence in one example (logit); a dot is a model")
    for y in rows(picture, [(f"original {number}", "") for number in range(1, 6)]):
        strip(picture, draws(random, 6, random.normalvariate(0, 1.1), 0.4), y, "unlearned")
    return picture


PICTURES: dict[str, Callable[[], Picture]] = {
    "difference": difference,
    "memory-left": memory_left,
    "memory-bound": memory_bound,
    "accuracy": accuracy,
    "likelihood-ratio-attack": likelihood_ratio_attack,
    "direction": direction,
    "ks-distance": ks_distance,
    "forgetting-quality": forgetting_quality,
    "time": time,
    "wrong-labels": wrong_labels,
    "confusion": confusion,
    "membership": membership,
    "before-after": before_after,
    "divergence": divergence,
    "klom": klom,
    "variance": variance,
    "recovery": recovery,
    "new-last-layer": new_head,
    "feature-similarity": feature_similarity,
    "retained-examples": collateral,
    "forgotten-classes": class_forgetting,
    "whole-models": joint,
    "by-memorisation": by_memorisation,
    "change-of-weights": change_of_weights,
}

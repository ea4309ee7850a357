"""Pictures of the glossary: what changed weights bring back, and what features retain."""

from __future__ import annotations

from harness.report.svg.drawing import Frame, Picture
from harness.report.svg.glossary_parts import curve, draws, note, rows, seeded, started, strip

STEPS = range(11)


def recovery() -> Picture:
    """Draw the memory of two methods while their models are trained a little."""
    picture = started(
        "Memory that comes back",
        "After a little training one method remembers, the other does not.",
        (0, 10),
        (-10, 100),
    )
    picture.x_axis("small changes of the weights, e.g. steps of training")
    picture.y_axis("memory of the forget set, %")
    curve(picture, [(0, 0), (10, 0)], "line control")
    curve(picture, [(step, 72 - 66 * 0.72**step) for step in STEPS], "line noop")
    curve(picture, [(step, 12 + 0.5 * step) for step in STEPS], "line unlearned")
    note(picture, 2.6, 70, "hidden: comes back", "noop")
    note(picture, 9.9, 24, "forgotten: stays away", "unlearned", "end")
    note(picture, 9.9, -8, "retrained", "control", "end")
    return picture


def new_head() -> Picture:
    """Draw the confidence of models with their own last layer, and with a new one."""
    random = seeded(21)
    frame = Frame(width=480, height=270, left=130, right=462, top=10, bottom=222)
    picture = started(
        "A new last layer", "The method's own last layer hides what a new one brings to light.", (-3, 5), (0, 1), frame
    )
    picture.x_axis("mean confidence in forgotten examples (logit)")
    names = (
        ("this method", "unlearned", 0.1),
        ("… new last layer", "unlearned", 2.1),
        ("retrained", "control", 0.0),
        ("… new last layer", "control", 0.2),
    )
    for (_, kind, mean), y in zip(names, rows(picture, [one[:2] for one in names]), strict=True):
        strip(picture, draws(random, 16, mean, 0.45), y, kind)
    return picture


def feature_similarity() -> Picture:
    """Draw which examples lie near each other in the features of two models."""
    places = {
        "control": {"A": (1.0, 3.2), "B": (1.6, 3.7), "C": (3.6, 3.4), "D": (3.1, 1.1), "E": (1.2, 1.2)},
        "unlearned": {"A": (6.0, 3.4), "B": (8.4, 1.2), "C": (8.7, 3.2), "D": (8.0, 3.7), "E": (6.4, 1.3)},
    }
    frame = Frame(width=480, height=230, left=14, right=466, top=14, bottom=200)
    picture = started("Features", "B lies near A in one model, and far from it in the other.", (0, 10), (0, 5), frame)
    for kind, title, left in (("control", "retrained model", 0.2), ("unlearned", "unlearned model", 5.2)):
        picture.box(picture.px(left), picture.py(4.4), picture.px(left + 4.6), picture.py(0.4), "band")
        note(picture, left, 4.6, title, kind)
        for name, (x, y) in places[kind].items():
            picture.words(picture.px(x), picture.py(y), name, kind=f"name {kind}")
    picture.words(240, 218, "a letter is an example, placed by what the model's features make of it")
    return picture


def change_of_weights() -> Picture:
    """Draw how the loss of forgotten and of retained examples changes along the change of the weights."""
    random = seeded(33)
    frame = Frame(width=480, height=190, left=130, right=462, top=10, bottom=142)
    picture = started(
        "Change of the weights", "The change raises the loss of forgotten examples more.", (-2, 4), (0, 1), frame
    )
    picture.x_axis("slope of an example's loss along the change of the weights")
    names = (("forgotten", "unlearned"), ("retained", "control"))
    for (_, kind), mean, y in zip(names, (1.4, 0.1), rows(picture, names), strict=True):
        strip(picture, draws(random, 22, mean, 0.7), y, kind)
    return picture

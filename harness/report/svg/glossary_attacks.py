"""Pictures of the glossary: retained examples, forgotten classes, whole models, and strata of memorisation."""

from __future__ import annotations

from harness.report.svg.drawing import Frame, Picture
from harness.report.svg.glossary_parts import draws, note, rows, seeded, started, strip

WIDE = Frame(width=480, height=210, left=110, right=462, top=10, bottom=162)
SQUARE = Frame(width=480, height=290, left=110, right=370, top=14, bottom=242)


def collateral() -> Picture:
    """Draw the confidence of models in a retained example."""
    random = seeded(17)
    ours, retrained, control = draws(random, 24, 1.1, 0.9), draws(random, 24), draws(random, 24)
    picture = started(
        "Retained examples", "Unlearned models are more confident in a retained example.", (-3, 4), (0, 1), WIDE
    )
    picture.x_axis("confidence of a model in one retained example")
    names = (("unlearned", "unlearned"), ("retrained", "control"), ("control", "control"))
    for y, values, (_, kind) in zip(rows(picture, names), (ours, retrained, control), names, strict=True):
        strip(picture, values, y, kind)
    return picture


def class_forgetting() -> Picture:
    """Draw the probabilities that two models give to remaining classes on an input of the forgotten class."""
    ours, theirs = (36, 33, 31), (78, 14, 8)
    picture = started(
        "Forgotten classes", "Retrained models answer with the similar class, the method does not.", (0, 3), (0, 100)
    )
    picture.y_axis("probability, %")
    frame = picture.frame
    picture.path([(frame.left, frame.bottom), (frame.right, frame.bottom)], "axis")
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        picture.box(picture.px(place + 0.14), picture.py(one), picture.px(place + 0.48), frame.bottom, "bar unlearned")
        picture.box(picture.px(place + 0.52), picture.py(other), picture.px(place + 0.86), frame.bottom, "bar control")
        picture.words(picture.px(place + 0.5), frame.bottom + 18, ("similar class", "class B", "class C")[place])
    note(picture, 1.1, 88, "unlearned, on the forgotten class", "unlearned")
    note(picture, 1.1, 76, "retrained, on the forgotten class", "control")
    return picture


def joint() -> Picture:
    """Draw whole models that differ together, and in no example alone."""
    random = seeded(19)
    common = draws(random, 36)
    ours = [(x + random.normalvariate(0, 0.15), x + random.normalvariate(0, 0.15)) for x in common]
    theirs = list(zip(draws(random, 36), draws(random, 36), strict=True))
    picture = started(
        "Whole models",
        "Each example alone looks the same; together they give the models away.",
        (-3, 3),
        (-3, 3),
        SQUARE,
    )
    picture.x_axis("confidence in one forgotten example")
    picture.y_axis("confidence in another one")
    for points, kind in ((theirs, "control"), (ours, "unlearned")):
        picture.dots([(picture.px(x), picture.py(y)) for x, y in points], kind)
    note(picture, -2.8, 2.5, "unlearned models", "unlearned")
    note(picture, 0.6, -2.6, "retrained models", "control")
    return picture


def by_memorisation() -> Picture:
    """Draw an attack's AUC by how much the originals remember of an example."""
    noop, ours = (0.55, 0.64, 0.75, 0.86, 0.95), (0.5, 0.52, 0.56, 0.68, 0.88)
    picture = started("Attack by memorisation", "What was memorised most is left.", (0.5, 5.5), (0.4, 1))
    picture.y_axis("AUC of the attack")
    frame = picture.frame
    picture.path([(frame.left, frame.bottom), (frame.right, frame.bottom)], "axis")
    picture.words((frame.left + frame.right) / 2, frame.bottom + 36, "forgotten examples, most memorised last")
    for values, kind in (((0.5,) * 5, "control"), (noop, "noop"), (ours, "unlearned")):
        points = [(picture.px(place), picture.py(value)) for place, value in enumerate(values, start=1)]
        picture.path(points, f"line {kind}")
        picture.dots(points, kind)
    for place in range(1, 6):
        picture.words(picture.px(place), frame.bottom + 18, str(place))
    note(picture, 2.5, 0.88, "nothing done", "noop", "end")
    note(picture, 3.6, 0.56, "unlearned", "unlearned")
    note(picture, 1, 0.44, "retrained", "control")
    return picture

"""Plots of single forget-set examples: a dot per model, a row per population, on a common axis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.report.examples import ExampleRecord, ExamplesRecord
from harness.report.svg.drawing import Frame, Picture, Scale

FRAME = Frame(width=400, height=152, left=104, right=390, top=6, bottom=112)
ROWS = (
    ("original", "noop", "nothing done"),
    ("unlearned", "unlearned", "this plugin"),
    ("retrained", "control", "retrained"),
)
ROW_HEIGHT, DOT, REACH = 35.0, 5.0, 14.0


def shared_scale(examples: ExamplesRecord) -> Scale:
    """Return one scale for all examples, so that plots are comparable."""
    values = [v for one in examples.shown for kind, _, _ in ROWS for v in getattr(one.phi, kind)]
    low, high = min(values), max(values)
    room = 0.03 * (high - low) or 1.0
    return Scale(low - room, high + room)


def example_plot(example: ExampleRecord, scale: Scale, title: str, description: str) -> str:
    """Return the SVG of one example, with each population's mean as a vertical line."""
    picture = Picture(FRAME, scale, Scale(0, 1), title, description)
    picture.x_axis("confidence in its class (logit)")
    for place, (population, kind, name) in enumerate(ROWS):
        y = FRAME.top + ROW_HEIGHT * (place + 0.5)
        values: Sequence[float] = getattr(example.phi, population)
        picture.words(FRAME.left - 8, y + 4.5, name, "end", f"name {kind}")
        picture.dots(swarm([picture.px(value) for value in values], y), kind)
        middle = picture.px(sum(values) / len(values))
        picture.path([(middle, y - REACH - 1), (middle, y + REACH + 1)], f"mean {kind}")
    return picture.text()


def swarm(places: Sequence[float], y: float) -> Iterator[tuple[float, float]]:
    """Yield dots side by side instead of on top of each other, alternately above and below the middle."""
    columns = [round(place / DOT) for place in places]
    most = max(Counter(columns).values(), default=1)
    step = min(DOT, 2 * REACH / most)
    seen: Counter[int] = Counter()
    for place, column in zip(places, columns, strict=True):
        number = seen[column]
        seen[column] += 1
        yield place, y + step * ((number + 1) // 2) * (1 if number % 2 else -1)

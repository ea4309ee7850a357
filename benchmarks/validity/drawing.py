"""The picture: for each metric, task and N the smallest share of the forget set that is seen."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from benchmarks.svg import add, canvas, text_of
from benchmarks.validity.findings import Summary
from benchmarks.validity.study import Study
from harness.report.svg.drawing import Scale

ROW, NAMES, PANEL, GAP, ASIDE, TOP, BOTTOM = 17, 300, 300, 24, 96, 74, 52
AXIS, LABEL = Scale(1, 100, log=True), "smallest remembered share that is seen, % (estimated)"
TICKS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
RADII = (2.6, 3.8, 5.2)
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #0f172a }
.title { font-size: 14px; font-weight: 600 } .quiet { fill: #64748b } .grid { stroke: #e2e8f0 } .join { stroke: #94a3b8 }
.right { fill: #0369a1; stroke: #0369a1 } .noise { fill: #fff; stroke: #0369a1; stroke-width: 1.6 }
.wrong { fill: #fff; stroke: #c2410c; stroke-width: 1.6 } .bad { fill: #c2410c }
"""


def picture(studies: Sequence[Study]) -> str:
    """Draw an SVG with a row per metric, a panel per task and a dot per N; sort by the first task's largest N."""
    names = _sorted(studies)
    width, height = NAMES + len(studies) * (PANEL + ASIDE + GAP), TOP + ROW * len(names) + BOTTOM
    svg = canvas(
        width, height, "Smallest share of the forget set that each metric sees, by task and number of models", STYLE
    )
    _legend(svg, studies)
    for row, name in enumerate(names):
        add(svg, "text", name, x=NAMES - 8, y=_middle(row) + 4, text_anchor="end")
    for number, one in enumerate(studies):
        _panel(svg, one, names, NAMES + number * (PANEL + ASIDE + GAP))
    return text_of(svg)


def _sorted(studies: Sequence[Study]) -> list[str]:
    names = list(dict.fromkeys(name for one in studies for name in one.metrics()))

    def key(name: str) -> tuple[bool, float]:
        found = studies[0].summaries[studies[0].sizes[-1]].get(name)
        share = None if found is None else found.visible_share
        return found is None or not found.has_interval, 2.0 if share is None else share

    return sorted(names, key=key)


def _panel(svg: ElementTree.Element, one: Study, names: Sequence[str], left: float) -> None:
    bottom = TOP + ROW * len(names)
    add(svg, "text", f"{one.task}, {one.models} models", "title", x=left, y=TOP - 12)
    for tick in TICKS:
        x = _x(left, tick / 100)
        add(svg, "line", None, "grid", x1=x, x2=x, y1=TOP, y2=bottom)
        add(svg, "text", f"{tick:g}", "quiet", x=x, y=bottom + 15, text_anchor="middle")
    add(svg, "text", LABEL, "quiet", x=left + PANEL / 2, y=bottom + 33, text_anchor="middle")
    for row, name in enumerate(names):
        found = [(size, one.summaries[size].get(name)) for size in one.sizes]
        _row(svg, [(size, summary) for size, summary in found if summary is not None], left, _middle(row), one.sizes)


def _row(
    svg: ElementTree.Element, found: Sequence[tuple[int, Summary]], left: float, y: float, sizes: Sequence[int]
) -> None:
    dots = [(size, summary, share) for size, summary in found if (share := summary.visible_share) is not None]
    if len(dots) > 1:
        ends = [_x(left, share) for _, _, share in dots]
        add(svg, "line", None, "join", x1=min(ends), x2=max(ends), y1=y, y2=y)
    for size, summary, share in dots:
        hint = f"N = {size}: {100 * share:.0f} %"
        _dot(svg, _x(left, share), y, RADII[min(sizes.index(size), len(RADII) - 1)], _kind(summary), hint)
    add(svg, "text", _words(found), "bad" if _blind_at(found) else "quiet", x=left + PANEL + 8, y=y + 4)


def _kind(summary: Summary) -> str:
    return next((kind for kind in ("wrong", "noise") if summary.orders(kind)), "right")


def _blind_at(found: Sequence[tuple[int, Summary]]) -> list[str]:
    return [str(size) for size, summary in found if summary.has_interval and summary.detects_from is None]


def _words(found: Sequence[tuple[int, Summary]]) -> str:
    """Return the text for metrics without a dot."""
    if not found:
        return "no value"
    if not any(summary.has_interval for _, summary in found):
        return "no interval"
    blind = _blind_at(found)
    return f"blind at {', '.join(blind)}" if blind else ""


def _legend(svg: ElementTree.Element, studies: Sequence[Study]) -> None:
    sizes = sorted({size for one in studies for size in one.sizes})
    x = 40.0
    for radius, size in zip(RADII, sizes, strict=False):
        _dot(svg, x + 6, 20, radius, "right", f"N = {size}")
        add(svg, "text", f"N = {size}", x=x + 16, y=24)
        x += 70
    x += 40
    for kind, text in (
        ("right", "true order of levels"),
        ("noise", "true but for noise"),
        ("wrong", "wrong order on some block"),
    ):
        _dot(svg, x + 6, 20, RADII[-1], kind, text)
        add(svg, "text", text, x=x + 16, y=24)
        x += 165


def _dot(svg: ElementTree.Element, x: float, y: float, radius: float, kind: str, hint: str) -> None:
    dot = add(svg, "circle", None, kind, cx=x, cy=y, r=radius)
    ElementTree.SubElement(dot, "title").text = hint


def _middle(row: int) -> float:
    return TOP + ROW * (row + 0.5)


def _x(left: float, share: float) -> float:
    return left + PANEL * AXIS.share(100 * share)

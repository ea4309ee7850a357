"""The picture: the share of draws by word, against what is left of the forget set, a panel an N."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.svg import add, canvas, text_of
from benchmarks.verdict.plan import LEFT, NOTHING_LEFT, UNTOUCHED, Results
from benchmarks.verdict.tables import Words
from harness.report.document import VerdictLevel

ROWS = {"0": NOTHING_LEFT.name, **{f"{100 * one.left:g}": one.name for one in LEFT}, "100": UNTOUCHED.name}
"""Per cent of the forgotten examples that are left, and the submission."""

WORDS: dict[VerdictLevel, str] = {
    "as_retrained": "#15803d",
    "no_difference_seen": "#a7d8b9",
    "unclear": "#cbd5e1",
    "mixed": "#a78bfa",
    "another_model": "#7c3aed",
    "not_durable": "#a21caf",
    "over_forgetting": "#0369a1",
    "partial": "#f0a35e",
    "none": "#b91c1c",
}
"""From the most favourable word to the least; adjacent ones differ in lightness too."""

DARK = {"as_retrained", "none", "another_model", "not_durable", "over_forgetting"}
LEFT_EDGE, PANEL, GAP, ROW, BAR, TOP, LEGEND = 66, 200, 16, 24, 18, 70, 930
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #0f172a } .title { font-size: 13px; font-weight: 600 } .quiet { fill: #64748b }
.light { fill: #fff } .frame { fill: none; stroke: #cbd5e1 }
"""


def picture(results: Results) -> str:
    """Return the SVG."""
    sizes = results.plan.sizes
    width, height = max(LEGEND, LEFT_EDGE + len(sizes) * (PANEL + GAP)), TOP + ROW * len(ROWS) + 44
    svg = canvas(
        width, height, "Share of draws by word, against what is left of the forget set, by the number of models", STYLE
    )
    _legend(svg)
    for row, left in enumerate(ROWS):
        add(svg, "text", f"{left} %", x=LEFT_EDGE - 8, y=TOP + ROW * row + 17, text_anchor="end")
    add(svg, "text", "left", "quiet", x=LEFT_EDGE - 8, y=TOP - 8, text_anchor="end")
    for number, models in enumerate(sizes):
        x = LEFT_EDGE + number * (PANEL + GAP)
        add(svg, "text", f"N = {models}", "title", x=x, y=TOP - 8)
        for row, name in enumerate(ROWS.values()):
            _bar(svg, results.words[name][models], x, TOP + ROW * row + 4)
        for tick in (0, 50, 100):
            anchor = {0: "start", 50: "middle", 100: "end"}[tick]
            add(
                svg,
                "text",
                f"{tick} %",
                "quiet",
                x=x + PANEL * tick / 100,
                y=TOP + ROW * len(ROWS) + 16,
                text_anchor=anchor,
            )
        add(svg, "text", "of draws", "quiet", x=x + PANEL / 2, y=TOP + ROW * len(ROWS) + 32, text_anchor="middle")
    return text_of(svg)


def _bar(svg: ElementTree.Element, words: Words, x: float, y: float) -> None:
    at = x
    for word, colour in WORDS.items():
        share = words.share(word)
        if not share:
            continue
        piece = add(svg, "rect", x=at, y=y, width=PANEL * share, height=BAR, fill=colour)
        ElementTree.SubElement(piece, "title").text = f"{word}: {100 * share:.0f} %"
        if share >= 0.12:
            kind = "light" if word in DARK else ""
            add(svg, "text", f"{100 * share:.0f}", kind, x=at + PANEL * share / 2, y=y + 13, text_anchor="middle")
        at += PANEL * share
    add(svg, "rect", None, "frame", x=x, y=y, width=PANEL, height=BAR)


def _legend(svg: ElementTree.Element) -> None:
    x = float(LEFT_EDGE)
    for word, colour in WORDS.items():
        add(svg, "rect", x=x, y=14, width=12, height=12, fill=colour)
        add(svg, "text", word, x=x + 17, y=24)
        x += 17 + 6.4 * len(word) + 14

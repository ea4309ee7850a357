"""A badge of a run's verdict: a small SVG picture for a README, without script, font or request."""

from __future__ import annotations

from xml.etree import ElementTree

from harness.report.document import Report
from harness.report.records import SUPPLIED
from harness.report.words import VERDICT_TONE, VERDICT_WORDS, originals_text, plain
from harness_guest.texts import shortened

HEIGHT, PADDING, FONT_PX = 20, 7, 11
CHAR_WIDTH = 6.6
"""Width that is reserved for a character; ``textLength`` fits the text into it, whatever font the reader has."""
MAX_CHARS = 40
LABEL_COLOUR = "#444c56"
COLOURS = {"good": "#1a7f37", "fair": "#0b6678", "open": "#8a5a00", "bad": "#b42318"}
"""White text on each has a contrast of at least 4.5 to 1."""


def badge_svg(report: Report) -> str:
    """Return the badge: the task, and the verdict with the colour of its kind; its title is the verdict's sentence."""
    label = f"unlearning on {shortened(plain(report.task.name), MAX_CHARS)}"
    word = VERDICT_WORDS[report.verdict.level]
    if report.plugin.origin == SUPPLIED:
        word += ", supplied outputs"
    left, right = (2 * PADDING + CHAR_WIDTH * len(text) for text in (label, word))
    title = plain(
        f"{report.plugin.name} {report.plugin.version} on {report.task.name}, {originals_text(report.design)}: "
        f"{report.verdict.sentence}"
    )
    size = {"width": f"{left + right:.0f}", "height": str(HEIGHT), "viewBox": f"0 0 {left + right:.0f} {HEIGHT}"}
    root = ElementTree.Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-label": f"{label}: {word}", **size}
    )
    ElementTree.SubElement(root, "title").text = title
    _half(root, label, 0, left, LABEL_COLOUR)
    _half(root, word, left, right, COLOURS[VERDICT_TONE[report.verdict.level]])
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _half(root: ElementTree.Element, text: str, start: float, width: float, colour: str) -> None:
    box = {"x": f"{start:.1f}", "width": f"{width:.1f}", "height": str(HEIGHT), "fill": colour}
    ElementTree.SubElement(root, "rect", box)
    place = {"x": f"{start + PADDING:.1f}", "y": "14", "textLength": f"{width - 2 * PADDING:.1f}"}
    style = {"fill": "#ffffff", "font-family": "Verdana, DejaVu Sans, sans-serif", "font-size": str(FONT_PX)}
    ElementTree.SubElement(root, "text", {**place, **style}).text = text

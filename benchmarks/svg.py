"""Pictures of the studies, as SVG."""

from __future__ import annotations

from xml.etree import ElementTree


def canvas(width: float, height: float, title: str, style: str) -> ElementTree.Element:
    """Return a white picture of this size in pixels."""
    svg = ElementTree.Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}", "role": "img"}
    )
    add(svg, "title", title)
    add(svg, "style", style)
    add(svg, "rect", width=width, height=height, fill="#fff")
    return svg


def add(
    parent: ElementTree.Element, tag: str, text: str | None = None, kind: str = "", **places: float | str
) -> ElementTree.Element:
    """Add an element of a class ``kind``; an underscore in the name of an attribute becomes a hyphen."""
    attributes = {name.replace("_", "-"): f"{v:.1f}" if isinstance(v, float) else str(v) for name, v in places.items()}
    element = ElementTree.SubElement(parent, tag, attributes | ({"class": kind} if kind else {}))
    element.text = text
    return element


def text_of(svg: ElementTree.Element) -> str:
    """Return the picture as a file's text."""
    return ElementTree.tostring(svg, encoding="unicode") + "\n"

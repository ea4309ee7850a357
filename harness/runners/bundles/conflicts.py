"""One-line explanations of failed dependency resolution, extracted from pip's output."""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

CAUSES = "The conflict is caused by:"
DEPENDS = re.compile(r"^(?P<who>\S+ \S+) depends on (?P<what>.+)$")
CONSTRAINT = re.compile(r"^The user requested(?: \(constraint\))? (?P<what>.+)$")
NOT_FOUND = re.compile(
    r"^ERROR: No matching distribution found for (?P<what>.+?)(?: \(from (?P<who>[^)]+)\))?$", re.MULTILINE
)


def reason(output: str, python: str, present: Mapping[str, str]) -> str:
    """Return the cause, e.g. "mine 1.0 needs torch==2.1.0, but the sandbox has torch 2.13.0"; empty if unknown.

    Args:
        output: end of pip's output.
        python: version of the sandbox's Python.
        present: canonical name -> version of each distribution in the sandbox.
    """
    return _conflict(output, present) or _not_found(output, python)


def _conflict(output: str, present: Mapping[str, str]) -> str:
    causes = [line.strip() for line in output.partition(CAUSES)[2].strip().partition("\n\n")[0].splitlines()]
    asked = [(found["who"], found["what"]) for line in causes if (found := DEPENDS.match(line))]
    fixed = {_name(found["what"]) for line in causes if (found := CONSTRAINT.match(line))} & set(present)
    for who, what in asked:
        if _name(what) in fixed:
            return f"{who} needs {what}, but the sandbox has {_name(what)} {present[_name(what)]}"
    for who, what in asked[1:]:
        if _name(what) == _name(asked[0][1]) and who != asked[0][0]:
            return f"{asked[0][0]} needs {asked[0][1]}, and {who} needs {what}"
    return ""


def _not_found(output: str, python: str) -> str:
    found = NOT_FOUND.search(output)
    if found is None:
        return ""
    needed = f", which {found['who']} needs" if found["who"] else ""
    return f"there is no wheel of {found['what']}{needed}, for Python {python}"


def _name(requirement: str) -> str:
    """Return a requirement's canonical name; empty if the line is not a requirement."""
    try:
        return str(canonicalize_name(Requirement(requirement).name))
    except InvalidRequirement:
        return ""

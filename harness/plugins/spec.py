"""The text by which a user names an unlearner, parsed in one place."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement

CHOICE = "#"
"""Between a path or requirement and the name of one of several unlearners in it."""
FUNCTION = ":"
"""Between a script and the name of one of its functions."""
SCRIPT = re.compile(rf"(?P<path>.+\.(?:py|ipynb))(?:{FUNCTION}(?P<function>[^{os.sep}]*))?")


@dataclass(frozen=True)
class PluginSpec:
    """What ``--plugin`` names.

    Attributes:
        kind: "script" (a path that ends with .py or .ipynb), "wheel" or "source" (a path with a separator, or one that begins
            with a dot or a tilde), "requirement" (name==version), or "name": of an installed entry point, or else of a source
            directory in the working directory.
        text: the path, requirement or name.
        choice: entry point, or function of a script, to take where there are several; None for the only one.
    """

    kind: Literal["script", "wheel", "source", "requirement", "name"]
    text: str
    choice: str | None = None

    @classmethod
    def parse(cls, text: str) -> PluginSpec:
        """Return the parts of what the user wrote; nothing is looked up."""
        if script := SCRIPT.fullmatch(text):
            return cls("script", script["path"], script["function"] or None)
        stem, _, choice = text.partition(CHOICE)
        if stem.endswith(".whl"):
            return cls("wheel", stem, choice or None)
        if os.sep in stem or stem.startswith((".", "~")):
            return cls("source", stem, choice or None)
        return cls("name" if _requirement(stem) is None else "requirement", stem, choice or None)

    def __str__(self) -> str:
        sign = FUNCTION if self.kind == "script" else CHOICE
        return self.text if self.choice is None else f"{self.text}{sign}{self.choice}"

    @property
    def is_path(self) -> bool:
        """True for a script, a wheel or a source directory that is named by its path."""
        return self.kind in ("script", "wheel", "source")

    @property
    def path(self) -> Path:
        """Return the text as a path."""
        return Path(self.text).expanduser()

    @property
    def requirement(self) -> Requirement:
        """Return the text as a requirement; only for specs of that kind."""
        return Requirement(self.text)

    def absolute(self) -> PluginSpec:
        """Return the same with a path that holds from any working directory."""
        return replace(self, text=str(self.path.absolute())) if self.is_path else self


def _requirement(text: str) -> Requirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    return requirement if requirement.specifier and requirement.url is None else None

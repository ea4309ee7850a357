"""Rendering of a new package's files from the template, with names, licence and author."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Literal, get_args

from harness.errors import UsageError
from harness.newplugin.naming import Names

Licence = Literal["MIT", "Apache-2.0", "BSD-3-Clause"]
LICENCES: tuple[Licence, ...] = get_args(Licence)
FILES: Mapping[str, str] = {
    ".github/workflows/ci.yml": "ci.yml.txt",
    ".gitignore": "gitignore.txt",
    "README.md": "README.md.txt",
    "pyproject.toml": "pyproject.toml.txt",
    "src/%{module}/__init__.py": "module.py.txt",
    "tests/test_%{module}.py": "test_conformance.py.txt",
    "tox.ini": "tox.ini.txt",
}
"""Path in the package -> template file; the licence and ``py.typed`` are added to these."""
AUTHOR = re.compile(r"(?P<name>[^<>]*[^<>\s])(?:\s*<(?P<email>[^<>@\s]+@[^<>@\s]+)>)?")


class _Template(string.Template):
    delimiter = "%"  # "$" and "@" have a meaning of their own in the files
    idpattern = None  # type: ignore[assignment]
    braceidpattern = "[a-z]+"


@dataclass(frozen=True)
class Author:
    """The author of a package.

    Attributes:
        name: name in the licence.
        email: email address, if given.
    """

    name: str
    email: str | None = None


@dataclass(frozen=True)
class NewPlugin:
    """The parameters of a new package.

    Attributes:
        names: names of the plugin.
        licence: SPDX identifier.
        author: the author, if given.
        year: year of the copyright.
    """

    names: Names
    licence: Licence
    author: Author | None
    year: int


def author_of(text: str) -> Author:
    """Parse ``"Ada Lovelace"`` or ``"Ada Lovelace <ada@example.org>"``.

    Raises:
        UsageError: the text has neither form.
    """
    match = AUTHOR.fullmatch(text.strip())
    if match is None or not text.isprintable():
        raise UsageError(f"--author takes NAME or 'NAME <ADDRESS>', not {text!r}.")
    return Author(match["name"], match["email"])


def render(plugin: NewPlugin) -> dict[PurePosixPath, str]:
    """Return the text of every file by its path in the package's folder."""
    values = _values(plugin)
    sources = {**FILES, "LICENSE": f"licences/{plugin.licence}.txt"}
    template = resources.files("harness.newplugin") / "template"
    texts = {place: (template / name).read_text(encoding="utf-8") for place, name in sources.items()}
    files = {_filled(place, values): _filled(text, values) for place, text in texts.items()}
    files[f"src/{plugin.names.module}/py.typed"] = ""
    return {PurePosixPath(place): files[place] for place in sorted(files)}


def _values(plugin: NewPlugin) -> dict[str, str]:
    names, author = plugin.names, plugin.author
    return {
        "name": names.plugin,
        "distribution": names.distribution,
        "module": names.module,
        "licence": plugin.licence,
        "holder": f"the authors of {names.distribution}" if author is None else author.name,
        "authors": "" if author is None else _authors_line(author),
        "year": str(plugin.year),
    }


def _authors_line(author: Author) -> str:
    """Return the ``authors`` line of pyproject.toml; JSON strings are valid TOML strings."""
    fields = {"name": author.name} | ({} if author.email is None else {"email": author.email})
    written = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
    return f"authors = [{{ {written} }}]\n"


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _Template(text).substitute(values)

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

from harness.core.reading import foreign
from harness.errors import PluginPackagingError, UsageError
from harness.newplugin.naming import Names
from harness.plugins.options import NAME, declaration_source, read_declaration
from harness.runners.bundles.script import ADAPTERS, Script, adapters_file

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
SCRIPT_FILES: Mapping[str, str] = {
    **FILES,
    "src/%{module}/__init__.py": "script.py.txt",
    "tests/test_%{module}.py": "test_script.py.txt",
}
"""The same for a package of a script; the script and its adapters are added."""
DECLARED = f"""\
# The options of --set: the harness reads them from this module, so change them here.
{NAME} = """
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
        script: the method's code; None for that of the template.
    """

    names: Names
    licence: Licence
    author: Author | None
    year: int
    script: Script | None = None


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
    """Return the text of every file by its path in the package's folder.

    Raises:
        PluginPackagingError: the script is not in UTF-8.
    """
    values, script, module = _values(plugin), plugin.script, f"src/{plugin.names.module}"
    sources = {**(FILES if script is None else SCRIPT_FILES), "LICENSE": f"licences/{plugin.licence}.txt"}
    files = {_filled(place, values): _filled(_template(name), values) for place, name in sources.items()}
    files[f"{module}/py.typed"] = ""
    if script is not None:
        files[f"{module}/{script.module}.py"] = _decoded(script)
        files[f"{module}/{ADAPTERS}.py"] = adapters_file().read_text(encoding="utf-8")
    return {PurePosixPath(place): files[place] for place in sorted(files)}


def _template(name: str) -> str:
    return (resources.files("harness.newplugin") / "template" / name).read_text(encoding="utf-8")


def _decoded(script: Script) -> str:
    with foreign(f"{script.file} is not encoded in UTF-8", PluginPackagingError, "Save it in UTF-8."):
        return script.code.decode("utf-8-sig")


def _values(plugin: NewPlugin) -> dict[str, str]:
    names, author = plugin.names, plugin.author
    values = {
        "name": names.plugin,
        "distribution": names.distribution,
        "module": names.module,
        "licence": plugin.licence,
        "holder": f"the authors of {names.distribution}" if author is None else author.name,
        "authors": "" if author is None else _authors_line(author),
        "year": str(plugin.year),
        **_script_values(plugin.script),
    }
    usage = "usage.md.txt" if plugin.script is None else "script_usage.md.txt"
    return {**values, "usage": _filled(_template(usage), values)}


def _script_values(script: Script | None) -> dict[str, str]:
    if script is None:
        return {"unformatted": "", "requires": ""}
    function, options = script.function, _declared(script)
    return {
        "requires": "".join(f", {json.dumps(requirement)}" for requirement in script.requires),
        "unformatted": f'extend-exclude = ["{ADAPTERS}.py", "{script.module}.py"]\n',
        "options": f"\n{DECLARED}{options}  # fmt: skip\n" if options else "",
        "code": script.module,
        "function": function.name,
        "adapter": function.adapter,
        "roles": "".join(f'        "{name}": "{role}",\n' for name, role in function.roles.items()),
    }


def _declared(script: Script) -> str:
    """Return the literal of the script's options, empty if it declares none; raise PluginPackagingError if it is invalid."""
    declared = read_declaration(script.code, script.file)
    return "" if declared is None else declaration_source(script.code)


def _authors_line(author: Author) -> str:
    """Return the ``authors`` line of pyproject.toml; JSON strings are valid TOML strings."""
    fields = {"name": author.name} | ({} if author.email is None else {"email": author.email})
    written = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
    return f"authors = [{{ {written} }}]\n"


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _Template(text).substitute(values)

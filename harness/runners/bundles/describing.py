"""What a plugin says of itself: its package's metadata, its module's docstring and its declared options; nothing is imported."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from dataclasses import dataclass
from email.utils import getaddresses
from pathlib import Path

from harness.choices import Adapter
from harness.core.metadata import find_installed
from harness.core.reading import foreign
from harness.errors import PluginPackagingError, UsageError
from harness.plugins.discovery import find_unlearner
from harness.plugins.options import LAYOUT, MAX_MODULE_BYTES, PLAIN_STRING, Declared, read_declaration
from harness.plugins.spec import PluginSpec
from harness.runners.bundles.declared import module_code, module_files
from harness.runners.bundles.installed import editable_source
from harness.runners.bundles.resolving import ready_wheel
from harness.runners.bundles.script import read_script

MAX_SUMMARY_CHARS = 500
METADATA = ("Summary", "Home-page", "Author", "Author-email")


@dataclass(frozen=True)
class PluginSummary:
    """A plugin, as described by its own files.

    Attributes:
        name: of the entry point, or of the script.
        distribution, version: of its package; empty for a script.
        about: the package's summary; empty if it has none.
        value: of the entry point, "module" or "module:attribute"; the function of a script.
        source: file that was read, relative to the package, or the script; empty if its source cannot be read here.
        docstring: of its module; empty if it has none.
        options: declared options; None if it declares none, so that any is passed on.
        links: label -> address, from the package's metadata.
        authors: names, from the package's metadata.
    """

    name: str
    distribution: str = ""
    version: str = ""
    about: str = ""
    value: str = ""
    source: str = ""
    docstring: str = ""
    options: Declared | None = None
    links: tuple[tuple[str, str], ...] = ()
    authors: tuple[str, ...] = ()


def describe(text: str, adapter: Adapter = "auto") -> PluginSummary:
    """Return the summary of an installed plugin, a script or a wheel.

    Raises:
        UsageError: it must be built or downloaded before it can be read.
        HarnessError: it is missing, damaged or ambiguous, or its declaration of options is invalid.
    """
    spec = PluginSpec.parse(text)
    if spec.kind == "script":
        script = read_script(spec, adapter)
        options = read_declaration(script.code, script.file)
        return PluginSummary(
            script.name, value=script.function.name, source=spec.text, docstring=docstring(script.code), options=options
        )
    if spec.kind == "name":
        return _installed(spec)
    ready = ready_wheel(spec)
    if ready is None:
        raise UsageError(f"{text} has to be built or downloaded first. Install it, or pass a wheel or a .py file.")
    wheel, name = ready
    found = module_code(wheel, name)
    code = b"" if found is None else found[1]
    return PluginSummary(
        name,
        wheel.name,
        wheel.version,
        value=wheel.entry_points[name],
        source="" if found is None else f"{spec.path.name}/{found[0]}",
        docstring=docstring(code),
        options=read_declaration(code, text),
    )


def _installed(spec: PluginSpec) -> PluginSummary:
    point = find_unlearner(spec.text)
    one = find_installed(point.distribution)
    metadata = None if one is None else one.distribution.metadata
    fields = {name: metadata[name] for name in METADATA if metadata is not None and name in metadata}
    addresses = [] if metadata is None else metadata.get_all("Project-URL") or []
    links = tuple(_links([str(one) for one in addresses], str(fields.get("Home-page") or "")))
    about = " ".join(str(fields.get("Summary") or "").split())[:MAX_SUMMARY_CHARS]
    file, code = _installed_code(spec, point.value)
    return PluginSummary(
        point.name,
        point.distribution,
        point.version,
        "" if about == "UNKNOWN" else about,
        point.value,
        file,
        docstring(code),
        read_declaration(code, f"{point.provider}, {file}"),
        links,
        _authors(str(fields.get("Author") or ""), str(fields.get("Author-email") or "")),
    )


def _installed_code(spec: PluginSpec, value: str) -> tuple[str, bytes]:
    """Return file and source code of an installed plugin's module; both empty if it has no source that can be read here."""
    ready = ready_wheel(spec)
    if ready is not None:
        return module_code(*ready) or ("", b"")
    one = find_installed(find_unlearner(spec.text).distribution)
    root = None if one is None else editable_source(one.distribution)
    for place in () if root is None else (root / part / file for part in ("", "src") for file in module_files(value)):
        if place.is_file() and place.stat().st_size <= MAX_MODULE_BYTES:
            with foreign(f"{place} cannot be read", PluginPackagingError):
                return str(place), Path(place).read_bytes()
    return "", b""


def _links(entries: list[str], home: str) -> list[tuple[str, str]]:
    """Return labels and addresses from the fields Project-URL and Home-page."""
    pairs = [entry.partition(",") for entry in entries]
    found = [(label.strip(), address.strip()) for label, _, address in pairs if address.strip()]
    return found or ([("Home-page", home)] if home and home != "UNKNOWN" else [])


def _authors(names: str, addresses: str) -> tuple[str, ...]:
    """Return the names in the fields Author ("Ada, Bob") and Author-email ("Ada <ada@example.org>"), each once."""
    found = [*(name.strip() for name in names.split(",")), *(name for name, _ in getaddresses([addresses]))]
    return tuple(dict.fromkeys(name for name in found if name and name != "UNKNOWN"))


def docstring(code: bytes) -> str:
    """Return a module's docstring; empty if it has none.

    Only its first token is read: the compiler can be exhausted by code that is nested deeply.
    """
    text = code[:MAX_MODULE_BYTES].decode("utf-8", errors="replace")
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in LAYOUT or token.type == tokenize.NEWLINE:
                continue
            if token.type != tokenize.STRING or not PLAIN_STRING.match(token.string):
                return ""
            return inspect.cleandoc(str(ast.literal_eval(token.string)))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return ""
    return ""

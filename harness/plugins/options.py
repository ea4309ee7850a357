"""Options that an unlearner declares, read from its source without importing or compiling it, and checked on the host.

A module declares them as a literal at its top level::

    HARNESS_OPTIONS = {
        "lr": {"type": "number", "above": 0, "default": 0.01},
        "epochs": 1,
        "optimizer": ["sgd", "adam"],
    }

Only the tokens of that literal are read. A module without it accepts any option, and checks them itself.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from harness.core.bounds import check_json
from harness.core.reading import foreign
from harness.core.text import harmless
from harness.errors import PluginPackagingError, UsageError
from harness_guest.texts import shortened

NAME = "HARNESS_OPTIONS"
ASSIGNED = re.compile(rf"^{NAME}\s*(?::[^=\n]*)?=(?!=)", re.MULTILINE)
MAX_CHARS = 1 << 16
"""Longest declaration."""
MAX_DEPTH = 5
MAX_MODULE_BYTES = 4 << 20
PLAIN_STRING = re.compile("[rRuU]?[\"']")
"""Beginning of a string without code in it, unlike an f-string."""
PUNCTUATION = frozenset("{}[](),:-")
CONSTANTS = frozenset({"True", "False", "None"})
LAYOUT = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
MAX_SHOWN = 100

Kind = Literal["number", "whole", "text", "bool", "any"]
KIND_WORDS: Mapping[Kind, str] = {
    "number": "a number",
    "whole": "a whole number",
    "text": "text",
    "bool": "true or false",
    "any": "any value",
}


@dataclass(frozen=True)
class DeclaredOption:
    """An option of an unlearner.

    Attributes:
        type: kind of its values.
        default: the value without the option, or text that describes it.
        least, most: inclusive bounds of a number; None for no bound.
        above: exclusive lower bound of a number; None for no bound.
        choices: allowed values; empty for any of the type.
        help: description, one line.
    """

    type: Kind = "any"
    default: Any = None
    least: float | None = None
    most: float | None = None
    above: float | None = None
    choices: tuple[Any, ...] = ()
    help: str = ""

    @property
    def wanted(self) -> str:
        """Return which values are allowed, e.g. "a number, at least 0"."""
        if self.choices:
            return f"one of {', '.join(_shown(choice) for choice in self.choices)}"
        bounds = ((self.least, "at least"), (self.above, "above"), (self.most, "at most"))
        return ", ".join(
            [KIND_WORDS[self.type], *(f"{words} {bound:g}" for bound, words in bounds if bound is not None)]
        )

    def allows(self, value: Any) -> bool:
        """Return True if the user may give this value."""
        if self.choices:
            return any(type(choice) is type(value) and choice == value for choice in self.choices)
        if self.type in ("number", "whole"):
            return self._allows_number(value)
        return {"text": isinstance(value, str), "bool": isinstance(value, bool)}.get(self.type, True)

    def _allows_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.type == "whole" and value != int(value):
            return False
        return not (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
        )


Declared = Mapping[str, DeclaredOption]


def read_declaration(code: bytes, where: str) -> Declared | None:
    """Return the options that a module declares; None if it declares none, so that any option may be given.

    Args:
        code: source code of the module.
        where: the module, for messages.

    Raises:
        PluginPackagingError: the declaration is not a literal of the documented form.
    """
    text = code[:MAX_MODULE_BYTES].decode("utf-8", errors="replace")
    found = _assignment(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    place = f"{where}, line {line}: {NAME}"
    with foreign(f"{place} is not a literal dictionary of options", PluginPackagingError):
        value = ast.literal_eval(_literal(text[found.end() :]))
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise TypeError("it must be a dictionary with the options' names as keys")
        check_json(value)
    return {name: _option(f"{place}[{name!r}]", given) for name, given in value.items()}


def declaration_source(code: bytes) -> str:
    """Return the literal of a module's valid declaration as it is written; empty if there is no declaration."""
    text = code[:MAX_MODULE_BYTES].decode("utf-8", errors="replace")
    found = _assignment(text)
    return "" if found is None else _literal(text[found.end() :])


def _assignment(text: str) -> re.Match[str] | None:
    """Return the last assignment of a declaration."""
    found = list(ASSIGNED.finditer(text))
    return found[-1] if found else None


def check_options(declared: Declared | None, given: Mapping[str, Any], plugin: str) -> None:
    """Raise UsageError if the plugin does not declare an option, or a value is not allowed; the message names all faults."""
    if declared is None:
        return
    faults = list(_faults(declared, given, plugin))
    if faults:
        known = ", ".join(f"{name} ({option.wanted})" for name, option in sorted(declared.items())) or "none"
        raise UsageError("\n".join([*faults, f"Options of {plugin}: {known}."]))


def _faults(declared: Declared, given: Mapping[str, Any], plugin: str) -> Iterator[str]:
    for name, value in given.items():
        option = declared.get(name)
        if option is None:
            near = [known for known in declared if known == _initials(name) or name == _initials(known)]
            near += difflib.get_close_matches(name, declared, n=1, cutoff=0.5)
            yield f"--set {name}: {plugin} has no option {name!r}." + (f" Did you mean {near[0]!r}?" if near else "")
        elif not option.allows(value):
            near = difflib.get_close_matches(str(value), map(str, option.choices), n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            yield f"--set {name}: must be {option.wanted}, not {_shown(value)}.{hint}"


def _initials(name: str) -> str:
    """Return e.g. "lr" for "learning_rate"."""
    return "".join(word[:1] for word in name.split("_"))


def _shown(value: Any) -> str:
    return shortened(harmless(value if isinstance(value, str) else repr(value)), MAX_SHOWN)


def _literal(text: str) -> str:
    """Return the source of the literal that ``text`` begins with; raise ValueError for anything else.

    The tokens are checked first, because the compiler can be exhausted by code that is nested deeply.
    """
    depth, last = 0, ""
    lines = io.StringIO(text[:MAX_CHARS]).readlines()
    for token in tokenize.generate_tokens(iter(lines).__next__):
        if token.type == tokenize.NEWLINE:
            row, column = token.start
            return "".join([*lines[: row - 1], lines[row - 1][:column]]).strip()
        if token.type in LAYOUT:
            continue
        if last == "-" and token.type != tokenize.NUMBER:
            raise ValueError("it may contain only literals")
        last = token.string
        if token.type == tokenize.OP and last in PUNCTUATION:
            depth += (last in "{[(") - (last in "}])")
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        elif not (token.type == tokenize.NUMBER or last in CONSTANTS or PLAIN_STRING.match(last)):
            raise ValueError(f"it may contain only literals, not {shortened(last, MAX_SHOWN)}")
    raise ValueError("it has no end")


def _option(place: str, given: Any) -> DeclaredOption:
    if isinstance(given, (list, tuple)):
        given = {"choices": given}
    elif not isinstance(given, dict):
        given = {"default": given}
    known = [one.name for one in fields(DeclaredOption)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise PluginPackagingError(f"{place} has the unknown key {key!r}.{hint} Known: {', '.join(known)}.")
    kind = given.get("type", _kind_of(given.get("default")))
    choices, bounds = given.get("choices", ()), [given.get(name) for name in ("least", "most", "above")]
    if kind not in get_args(Kind):
        raise PluginPackagingError(f"{place}: type must be one of {', '.join(get_args(Kind))}, not {kind!r}.")
    if not isinstance(choices, (list, tuple)) or ("choices" in given and not choices):
        raise PluginPackagingError(f"{place}: choices must be a list of values.")
    if any(bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))) for bound in bounds):
        raise PluginPackagingError(f"{place}: least, most and above must be numbers.")
    if choices and "default" not in given:
        given = {**given, "default": choices[0]}
    return DeclaredOption(**{**given, "type": kind, "choices": tuple(choices), "help": str(given.get("help", ""))})


def _kind_of(default: Any) -> Kind:
    """Return the kind of a bare default's values."""
    kinds: dict[type, Kind] = {bool: "bool", int: "whole", float: "number", str: "text"}
    return kinds.get(type(default), "any")

"""Conversion of pydantic's errors into messages with line, key, found value and allowed values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError

from harness.tasks import dataset_sections, forget_sections, schema
from harness.tasks.architectures import ArchitectureSection
from harness.tasks.datasets.installed import installed_kinds
from harness.tasks.yaml.located import Json, KeyPath, Problem, line_of
from harness.tasks.yaml.wording import listed, near_match, unknown_key
from reference_models.networks.recipe import Recipe

_TAGS = {"dataset": "kind", "forget": "by", "deletions": "by", "corrupt": "how"}
_UNIONS = {"forget": forget_sections.Forget, "deletions": forget_sections.Forget, "corrupt": forget_sections.Corrupt}
_SECTIONS: dict[str, type[Any]] = {
    "splits": schema.Splits,
    "normalization": schema.Normalization,
    "journal": schema.JournalSection,
    "sisa": schema.SisaSection,
    "budget": schema.BudgetSection,
    "margins": schema.MarginsSection,
    "never_trained": schema.NeverTrainedSection,
    "recipe": Recipe,
    "architecture": ArchitectureSection,
}
_SHOWN = 60
Allowed: TypeAlias = Callable[[KeyPath, Json], list[str]]
"""Returns the allowed keys of the mapping at a path of a file with this value."""


def explain(
    error: ValidationError, value: Json, lines: Mapping[KeyPath, int], allowed: Allowed | None = None
) -> list[Problem]:
    """Return a problem per pydantic error, sorted by line; ``allowed`` is that of a task file by default."""
    details = error.errors(include_url=False)
    # pydantic also reports a list with only invalid items as too short, which would be redundant.
    kept = [d for d in details if d["type"] != "too_short" or not _has_inner(d["loc"], [e["loc"] for e in details])]
    problems = [_problem(dict(detail), value, lines, allowed or allowed_keys) for detail in kept]
    return sorted(problems, key=lambda problem: problem.line)


def _has_inner(outer: KeyPath, others: list[KeyPath]) -> bool:
    return any(len(other) > len(outer) and other[: len(outer)] == outer for other in others)


def _problem(detail: dict[str, Any], value: Json, lines: Mapping[KeyPath, int], allowed: Allowed) -> Problem:
    path: KeyPath = tuple(detail["loc"])
    section = _tagged(path)
    if path and path[0] in _TAGS and len(path) > len(section):
        path = (*section, *path[len(section) + 1 :])  # pydantic inserts the tag of a discriminated union
    if detail["type"].startswith("union_tag"):
        path = (*path, _TAGS[str(path[0])])
    text = _text(detail, path, value, allowed)
    if detail["type"] == "value_error":
        path = _first_word(text, path, value)
        text = text.removeprefix(".".join(map(str, path)) + ": ")
    return Problem(line_of(lines, path), path, text)


def _tagged(path: KeyPath) -> KeyPath:
    """Return the part of a path that leads to a section with a tag: its key, and the position in a list of sections."""
    return path[:2] if path and path[0] == "deletions" else path[:1]


def _text(detail: dict[str, Any], path: KeyPath, value: Json, allowed: Allowed) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return unknown_key(str(path[-1]), allowed(path[:-1], value))
    if kind in ("missing", "union_tag_not_found"):
        return f"this key is missing{_choices(path, value, allowed)}"
    if kind == "union_tag_invalid":
        found = str(context["tag"])
        known = [*tags(str(path[0])), *(installed_kinds() if path[0] == "dataset" else ())]
        return f"found {found!r}{near_match(found, known)}; allowed: {listed(known)}"
    if kind == "literal_error":
        return _not_among(detail["input"], str(context["expected"]))
    if kind in ("too_short", "too_long"):
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"found {_shown(detail['input'])}; must be a list of {bound}"
    if kind == "value_error":
        said = str(context["error"])
        return f"found {_shown(detail['input'])}; {said}" if said.startswith("must") else said
    if kind == "string_pattern_mismatch":
        return f"found {_shown(detail['input'])}; must be lower-case letters, digits and hyphens"
    said = detail["msg"].replace("Input should be", "must be").replace("Input should", "must")
    for theirs, ours in _PLAINER.items():
        said = said.replace(theirs, ours)
    return f"found {_shown(detail['input'])}; {said}"


_PLAINER = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text (put it in quotes)",
    "a valid boolean": "true or false",
    "a valid tuple": "a list, as in [a, b]",
    "a valid list": "a list, as in [a, b]",
    "a valid array": "a list, as in [a, b]",
    "an object": "a mapping of keys",
    "a valid dictionary": "a mapping of keys",
    "a dictionary or an instance of": "a mapping of keys, that of",
    "a valid mapping": "a mapping of keys",
    "a valid path": "a path",
}


def _not_among(found: object, expected: str) -> str:
    allowed = [part.strip("'") for part in expected.replace(" or ", ", ").split(", ")]
    guess = near_match(found, allowed) if isinstance(found, str) else ""
    return f"found {_shown(found)}{guess}; allowed: {listed(allowed)}"


def _choices(path: KeyPath, value: Json, allowed: Allowed) -> str:
    if path and path[0] in _TAGS and path[-1] == _TAGS[str(path[0])]:
        return f"; allowed: {listed(tags(str(path[0])))}"
    return f"; allowed here: {listed(allowed(path[:-1], value))}"


def _first_word(text: str, path: KeyPath, value: Json) -> KeyPath:
    """Return the path of the key with which a section's own message begins, as in ``recipe.augment:``, else ``path``."""
    found = path
    first = text.split(" ", 1)[0]
    for word in first.rstrip(":").split(".") if "." in first else [first]:
        section = _at(value, found)
        if not isinstance(section, dict) or word not in section:
            break
        found = (*found, word)
    return found


def _at(value: Json, path: KeyPath) -> Json:
    for part in path:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def tags(section: str) -> list[str]:
    """Return the allowed values of ``dataset.kind``, ``forget.by`` or ``corrupt.how``."""
    return list(_variants(section))


def allowed_keys(path: KeyPath, value: Json) -> list[str]:
    """Return the allowed keys of the mapping at ``path`` of a file with this ``value``."""
    if not path:
        return ["extends", *_fields(schema.TaskFile)]
    section = str(path[0])
    if section in _TAGS:
        tag = _at(value, (*_tagged(path), _TAGS[section]))
        return _fields(_variants(section).get(str(tag), dataset_sections.PluginDataset))
    return _fields(_SECTIONS[section])


def _variants(section: str) -> dict[str, type[BaseModel]]:
    if section == "dataset":
        return dict(dataset_sections.DATASETS)
    union = get_args(_UNIONS[section])[0]
    return {get_args(model.model_fields[_TAGS[section]].annotation)[0]: model for model in get_args(union)}


def _fields(model: type[Any]) -> list[str]:
    if dataclasses.is_dataclass(model):
        return [field.name for field in dataclasses.fields(model)]
    return [field.alias or name for name, field in model.model_fields.items()]

"""Loading of tasks from YAML files; neither torch nor data is loaded until the task's ``load`` is called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import to_json

from harness.core.metadata import plugin_points
from harness.core.reading import foreign
from harness.errors import TaskInvalidError
from harness.tasks import forget_sections, schema
from harness.tasks.architectures import file_faults
from harness.tasks.task import (
    Budget,
    ForgetChoice,
    JournalRequest,
    Margins,
    Request,
    SisaRequest,
    Task,
    TaskData,
    Undivided,
)
from harness.tasks.yaml.explaining import explain
from harness.tasks.yaml.located import Document, Json, KeyPath, Problem, line_of, parse
from harness.tasks.yaml.wording import closest, listed, near_match

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

BUNDLED = (
    "faces",
    "faces-mislabelled",
    "faces-class",
    "faces-journal",
    "faces-sisa",
    "faces-stream",
    "fashion-mnist",
    "fashion-mnist-full",
    "cifar10",
    "cifar10-resnet9",
    "image-folder",
    "digits",
    "breast-cancer",
)
ARCHITECTURE = "architecture"
EVALUATORS, STAND_FOR_SEVERAL = "harness.evaluators", ("default", "all")
_OPTIONAL = ("journal", "sisa", "forget", "deletions", "never_trained", "evaluators")
_TAGS = {"dataset": "kind", "forget": "by", "corrupt": "how"}


def load_task(path: Path | Traversable, *, source: str = "") -> Task:
    """Load the task of a YAML file.

    Args:
        path: the file; relative paths in it are resolved against its folder.
        source: provider of the task, for lists and reports; the path if empty.

    Raises:
        TaskInvalidError: the file does not exist or is invalid; the message names the line and key of each fault.
    """
    with foreign(f"The task file {path} cannot be read as UTF-8 text", TaskInvalidError):
        text = path.read_text(encoding="utf-8")
    base_dir = path.parent if isinstance(path, Path) else Path()
    return task_from_text(text, source or str(path), base_dir)


def task_from_text(text: str, source: str, base_dir: Path) -> Task:
    """Load the task of a YAML text; ``base_dir`` is the base of its relative paths.

    Raises:
        TaskInvalidError: the text is invalid; the message begins with ``source`` and names the line and key of each
            fault.
    """
    document = parse(text)
    if document.problems or not _extend(document):
        raise _invalid(source, document.problems)
    try:
        definition = schema.TaskFile.model_validate_json(to_json(document.value), strict=True)
    except ValidationError as error:
        problems = [*document.problems, *explain(error, document.value, document.lines)]
        raise _invalid(source, sorted(problems, key=lambda problem: problem.line)) from error
    if document.problems:
        raise _invalid(source, document.problems)
    keys: list[tuple[KeyPath, str]] = [
        ((ARCHITECTURE, key), fault) for key, fault in file_faults(definition.architecture, base_dir)
    ]
    keys += _unknown_evaluators(definition.evaluators)
    if faults := [Problem(line_of(document.lines, key), key, fault) for key, fault in keys]:
        raise _invalid(source, faults)
    return _task(definition, source, base_dir)


def _unknown_evaluators(names: Sequence[str]) -> Iterator[tuple[KeyPath, str]]:
    """Yield key and fault of every name that no installed distribution registers."""
    known = sorted({point.name for _, point in plugin_points(EVALUATORS)}) if names else []
    for index, name in enumerate(names):
        if name not in known and name not in STAND_FOR_SEVERAL:
            yield (
                ("evaluators", index),
                f"no evaluator {name!r} is installed{near_match(name, known)}; installed: {listed(known)}",
            )


def task_from_definition(definition: str, source: str, base_dir: Path) -> Task:
    """Load the task with this :attr:`~harness.tasks.task.Task.definition`, a JSON text; see :func:`task_from_text`.

    Raises:
        pydantic.ValidationError: the definition is not valid in this version.
    """
    return _task(schema.TaskFile.model_validate_json(definition, strict=True), source, base_dir)


def bundled_file(name: str) -> Traversable:
    """Return the YAML file of a bundled task."""
    return resources.files("harness.tasks").joinpath(f"{name}.yaml")


def _invalid(source: str, problems: list[Problem]) -> TaskInvalidError:
    count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
    lines = "".join(f"\n  {problem}" for problem in problems)
    return TaskInvalidError(f"The task file {source} has {count}:{lines}")


def _extend(document: Document) -> bool:
    """Add missing keys from the bundled task that a file extends; return False if the base is unknown.

    Sections are merged key by key. A section with another ``kind``, ``by``, ``how`` or architecture ``name`` than the base's
    replaces it. A misspelt base is a problem; the closest one is then used, so that the file's other faults are found as well.
    """
    if "extends" not in document.value:
        return True
    name = document.value.pop("extends")
    if not isinstance(name, str) or name not in BUNDLED:
        guess = near_match(name, BUNDLED) if isinstance(name, str) else ""
        text = f"found {name!r}{guess}; allowed: {listed(BUNDLED)}"
        document.problems.append(Problem(line_of(document.lines, ("extends",)), ("extends",), text))
        name = closest(name, BUNDLED) if isinstance(name, str) else None
        if name is None:
            return False
    base = parse(bundled_file(name).read_text(encoding="utf-8")).value
    for own, other in (("forget", "deletions"), ("deletions", "forget")):
        if own in document.value and other not in document.value:
            base.pop(other, None)
    document.value = {**base, **{key: _merged(key, base.get(key), own) for key, own in document.value.items()}}
    return True


def _merged(section: str, base: Json, own: Json) -> Json:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    if section == ARCHITECTURE and {"package", "factory"} & (set(own) | set(base)):
        return own
    tag = _TAGS.get(section, "name" if section == ARCHITECTURE else "")
    if tag and own.get(tag, base.get(tag)) != base.get(tag):
        return own
    if section == "forget" and own:
        return {"by": base.get("by"), **own}
    return {**base, **own}


def _task(definition: schema.TaskFile, source: str, base_dir: Path) -> Task:
    return Task(
        name=definition.name,
        description=definition.description,
        load=functools.partial(_load, definition, base_dir),
        architecture=definition.architecture.spec(),
        recipe=definition.recipe,
        models=definition.models,
        budget=Budget(fraction=definition.budget.fraction, measurements=definition.budget.measurements),
        seed=definition.seed,
        definition=_plain(definition),
        source=source,
        journal=None if definition.journal is None else JournalRequest(**definition.journal.model_dump()),
        margins=Margins(**definition.margins.model_dump()),
        folder=base_dir,
        evaluators=definition.evaluators,
        layers=definition.architecture.layers or (),
        sisa=None if definition.sisa is None else SisaRequest(**definition.sisa.model_dump()),
        deletions=len(definition.deletions or ()),
        choice=_choice(definition, base_dir),
    )


def request_task(task: Task, request: Request) -> Task:
    """Return the task of one request of a stream: the task whose forget set is what this and all earlier requests delete."""
    definition = schema.TaskFile.model_validate_json(to_json(task.definition), strict=True)
    load = functools.partial(_load, definition, task.folder or Path(), request.number)
    return replace(task, request=request, load=load)


def _choice(definition: schema.TaskFile, base_dir: Path) -> ForgetChoice | None:
    """Return how models choose the forget set; None if the definition names it."""
    rule = definition.forget
    if not isinstance(rule, forget_sections.BY_MODELS):
        return None
    example = rule.example if isinstance(rule, forget_sections.ForgetSimilar) else None
    load = functools.partial(_load_undivided, definition, base_dir)
    return ForgetChoice(rule.by, rule.amount or 0, rule.seed, rule.models, example, load)


def _plain(definition: schema.TaskFile) -> dict[str, object]:
    """Return the definition as JSON values, without the keys of :data:`_OPTIONAL` that the task lacks."""
    values = definition.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in values.items() if value or key not in _OPTIONAL}


def _load(definition: schema.TaskFile, base_dir: Path, requests: int | None = None) -> TaskData:
    from harness.tasks.assembling import assemble

    return assemble(definition, base_dir, requests)


def _load_undivided(definition: schema.TaskFile, base_dir: Path) -> Undivided:
    from harness.tasks.assembling import undivided

    return undivided(definition, base_dir)

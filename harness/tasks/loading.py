"""Tasks from YAML files. Cheap: neither torch nor any data is touched until the task's ``load`` is called."""

from __future__ import annotations

import functools
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import to_json

from harness.errors import TaskInvalidError
from harness.reading import foreign
from harness.tasks import schema
from harness.tasks.explaining import explain
from harness.tasks.located_yaml import Document, Json, Problem, line_of, parse
from harness.tasks.model import Budget, JournalRequest, Margins, SisaRequest, Task, TaskData
from harness.tasks.wording import listed, near_match

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
    "fashion-mnist",
    "cifar10",
    "image-folder",
)
_TAGS = {"dataset": "kind", "forget": "by", "corrupt": "how"}


def load_task(path: Path | Traversable, *, source: str = "") -> Task:
    """The task in a YAML file.

    Args:
        path: the file; relative paths in it are seen from its folder.
        source: who provides it, for lists and reports; the path where empty.

    Raises:
        TaskInvalidError: no such file, or anything wrong with it; the message names each fault's line and key.
    """
    with foreign(f"The task file {path} cannot be read as UTF-8 text", TaskInvalidError):
        text = path.read_text(encoding="utf-8")
    base_dir = path.parent if isinstance(path, Path) else Path()
    return task_from_text(text, source or str(path), base_dir)


def task_from_text(text: str, source: str, base_dir: Path) -> Task:
    """The task in a YAML text; ``base_dir`` is what relative paths in it are seen from.

    Raises:
        TaskInvalidError: anything wrong with it; the message, which begins with ``source``, names each fault's line
            and key.
    """
    document = parse(text)
    if not document.problems:
        _extend(document)
    if document.problems:
        raise _invalid(source, document.problems)
    try:
        definition = schema.TaskFile.model_validate_json(to_json(document.value), strict=True)
    except ValidationError as error:
        raise _invalid(source, explain(error, document.value, document.lines)) from error
    return _task(definition, source, base_dir)


def task_from_definition(definition: str, source: str, base_dir: Path) -> Task:
    """Return the task whose :attr:`~harness.tasks.model.Task.definition` is this JSON text; see :func:`task_from_text`.

    Raises:
        pydantic.ValidationError: it is none of this version's.
    """
    return _task(schema.TaskFile.model_validate_json(definition, strict=True), source, base_dir)


def bundled_file(name: str) -> Traversable:
    """The YAML file of a bundled task."""
    return resources.files("harness.tasks").joinpath(f"{name}.yaml")


def _invalid(source: str, problems: list[Problem]) -> TaskInvalidError:
    count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
    lines = "".join(f"\n  {problem}" for problem in problems)
    return TaskInvalidError(f"The task file {source} has {count}:{lines}")


def _extend(document: Document) -> None:
    """Put what a file does not say in from the bundled task it extends.

    A section is merged key by key; one whose ``kind`` or ``by`` differs, or that is a recipe's or network's list, is
    taken as the file has it.
    """
    if "extends" not in document.value:
        return
    name = document.value.pop("extends")
    if not isinstance(name, str) or name not in BUNDLED:
        guess = near_match(name, BUNDLED) if isinstance(name, str) else ""
        text = f"found {name!r}{guess}; allowed: {listed(BUNDLED)}"
        document.problems.append(Problem(line_of(document.lines, ("extends",)), ("extends",), text))
        return
    base = parse(bundled_file(name).read_text(encoding="utf-8")).value
    document.value = {**base, **{key: _merged(key, base.get(key), own) for key, own in document.value.items()}}


def _merged(section: str, base: Json, own: Json) -> Json:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    tag = _TAGS.get(section, "name" if section == "architecture" else "")
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
        architecture=definition.architecture,
        recipe=definition.recipe,
        models=definition.models,
        budget=Budget(fraction=definition.budget.fraction, measurements=definition.budget.measurements),
        seed=definition.seed,
        definition=_plain(definition),
        source=source,
        journal=None if definition.journal is None else JournalRequest(**definition.journal.model_dump()),
        margins=Margins(**definition.margins.model_dump()),
        folder=base_dir,
        sisa=None if definition.sisa is None else SisaRequest(**definition.sisa.model_dump()),
    )


def _plain(definition: schema.TaskFile) -> dict[str, object]:
    """As JSON values; sections of the training-time record that a task does not ask for leave no trace in it."""
    values = definition.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in values.items() if value is not None or key not in ("journal", "sisa")}


def _load(definition: schema.TaskFile, base_dir: Path) -> TaskData:
    from harness.tasks.assembling import assemble

    return assemble(definition, base_dir)

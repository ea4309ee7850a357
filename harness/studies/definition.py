"""What a study consists of, and its file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic_core import to_json

from harness.comparing.trade_off import UTILITY
from harness.core.reading import foreign
from harness.errors import HarnessError, StudyInvalidError
from harness.plugins.spec import PluginSpec
from harness.runs.config import SEED, RunConfig
from harness.runs.store import plain_name
from harness.studies.keys import OWN, RUN_KEYS
from harness.tasks.yaml.explaining import explain
from harness.tasks.yaml.located import Document, Json, KeyPath, Problem, line_of, parse
from harness.tasks.yaml.wording import unknown_key

MOST_CELLS = 10_000
Budget = Annotated[float, Field(gt=0, le=1000)]
Seed = Annotated[int, Field(ge=SEED.least, le=SEED.most)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MethodSection(_Section):
    """A method with the options to try; ``tasks`` and ``budgets`` replace those of the study."""

    plugin: Annotated[str, Field(min_length=1)]
    options: Mapping[str, Any] = Field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()

    @field_validator("options")
    @classmethod
    def _values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, values in given.items():
            if not name.isidentifier():
                raise ValueError(f"the option {name!r} is not an identifier")
            if values == []:
                raise ValueError(f"the option {name!r} has an empty list of values")
        return given

    def settings(self) -> Iterator[dict[str, Any]]:
        """Yield every combination of the options' values."""
        lists = [values if isinstance(values, (list, tuple)) else [values] for values in self.options.values()]
        for chosen in itertools.product(*lists):
            yield dict(zip(self.options, chosen, strict=True))


class ChoiceSection(_Section):
    """How the best setting of a method is chosen."""

    forgetting: str | None = None
    utility: str = UTILITY
    utility_points: Annotated[float, Field(ge=0, le=100)] = 2.0


def _method(value: object) -> object:
    return {"plugin": value} if isinstance(value, str) else value


def _seeds(value: object) -> object:
    """Convert a number of seeds into the first ones."""
    counted = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_CELLS
    return list(range(value)) if counted and isinstance(value, int) else value


class StudyFile(_Section):
    """A complete study file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    methods: Annotated[tuple[Annotated[MethodSection, BeforeValidator(_method)], ...], Field(min_length=1)]
    tasks: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(_seeds), Field(min_length=1)] = (0,)
    budgets: tuple[Budget, ...] = ()
    run: Mapping[str, Any] = Field(default_factory=dict)
    choice: ChoiceSection = ChoiceSection()


_MODELS: Mapping[str, type[BaseModel]] = {"methods": MethodSection, "choice": ChoiceSection}


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes:
        number: from 1.
        name: of its folder.
        config: options of the run, without output folder.
    """

    number: int
    name: str
    config: RunConfig

    @property
    def title(self) -> str:
        """Return what the run is, in a few words."""
        one = self.config
        options = "".join(f" {key}={json.dumps(value)}" for key, value in one.options.items())
        budget = "" if one.budget_fraction is None else f", budget {one.budget_fraction:g}"
        return f"{short_name(one.plugin)}{options} on {short_name(one.task)}, seed {one.seed}{budget}"


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        definition: of the study; paths are absolute.
        cells: its runs, in order.
    """

    definition: StudyFile
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """Return the study's name."""
        return self.definition.name

    def text(self) -> str:
        """Return the study as YAML that :func:`parse_study` reads."""
        import yaml

        values = json.loads(self.definition.model_dump_json(by_alias=True))  # without shared objects: no YAML aliases
        text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        return text


def load_study(file: Path) -> Study:
    """Load a study file; relative paths of plugins and tasks are resolved against its folder.

    Raises:
        StudyInvalidError: the file does not exist or is invalid; the message names line and key of each fault.
    """
    with foreign(f"The study {file} cannot be read as UTF-8 text", StudyInvalidError):
        text = file.read_text(encoding="utf-8")
    return parse_study(text, str(file), file.absolute().parent)


def parse_study(text: str, source: str, base: Path) -> Study:
    """Load the study of a YAML text; ``base`` is the base of its relative paths.

    Raises:
        StudyInvalidError: see :func:`load_study`.
    """
    document = parse(text, "study")
    problems = list(document.problems)
    if not problems:
        try:
            definition = StudyFile.model_validate_json(to_json(document.value))
            problems = list(_run_faults(document))
            if not problems:
                return make_study(definition, base)
        except ValidationError as error:
            problems = explain(error, document.value, document.lines, _allowed)
        except HarnessError as error:
            raise StudyInvalidError(f"The study {source}: {error}") from error
    faults = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
    raise StudyInvalidError(f"The study {source} has {faults}:" + "".join(f"\n  {one}" for one in problems))


def make_study(definition: StudyFile, base: Path) -> Study:
    """Return the study of a definition.

    Raises:
        HarnessError: an option of a run is invalid, a run occurs twice, or there are too many.
    """
    methods = tuple(_located(one, base) for one in definition.methods)
    tasks = tuple(_task_at(one, base) for one in definition.tasks)
    placed = definition.model_copy(update={"methods": methods, "tasks": tasks})
    cells: list[Cell] = []
    for config in _configs(placed):
        number = len(cells) + 1
        if number > MOST_CELLS:
            raise StudyInvalidError(f"a study has at most {MOST_CELLS} runs; leave out some options, tasks or seeds.")
        name = f"{number:04d}-{plain_name(config.plugin)}-{plain_name(config.task)}-{config.seed}"
        cells.append(Cell(number, name, config))
    _refuse_twins(cells)
    return Study(placed, tuple(cells))


def _configs(study: StudyFile) -> Iterator[RunConfig]:
    """Yield the options of each run; those of a task follow one another, so that its reference models are trained once."""
    tried: dict[str, list[str]] = {}
    for method in study.methods:
        settings = tried.setdefault(method.plugin, [])
        settings += [key for one in method.settings() if (key := _key(one)) not in settings]
    tasks = dict.fromkeys([*study.tasks, *(task for method in study.methods for task in method.tasks)])
    for task in tasks:
        for method in study.methods:
            if task not in (method.tasks or study.tasks):
                continue
            for setting, budget, seed in itertools.product(
                method.settings(), method.budgets or study.budgets or (None,), study.seeds
            ):
                yield TypeAdapter(RunConfig).validate_python(
                    {
                        **study.run,
                        "plugin": method.plugin,
                        "task": task,
                        "options": setting,
                        "budget_fraction": budget,
                        "seed": seed,
                        "settings_tried": len(tried[method.plugin]),
                    }
                )


def _refuse_twins(cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        twin = seen.setdefault(_key(cell.config.to_json()), cell)
        if twin is not cell:
            raise StudyInvalidError(f"this run occurs twice: {cell.title}; remove one of them.")


def short_name(text: str) -> str:
    """Return a name, or the stem of a path."""
    return Path(text).stem if "/" in text else text


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=list)


def _located(method: MethodSection, base: Path) -> MethodSection:
    spec = PluginSpec.parse(method.plugin)
    plugin = str(replace(spec, text=str(base / spec.path)) if spec.is_path else spec)
    return method.model_copy(update={"plugin": plugin, "tasks": tuple(_task_at(one, base) for one in method.tasks)})


def _task_at(task: str, base: Path) -> str:
    return str(base / task) if task.endswith((".yaml", ".yml")) or "/" in task else task


def _run_faults(document: Document) -> Iterator[Problem]:
    """Yield the faults of the section ``run``: unknown options, and values that no run would accept."""
    given = document.value.get("run")
    if not isinstance(given, dict):
        return
    unknown = [key for key in given if key not in RUN_KEYS]
    for key in unknown:
        text = (
            f"the study sets this itself; see {'seeds' if key == 'seed' else 'methods, tasks and budgets'}"
            if key in OWN
            else unknown_key(key, RUN_KEYS)
        )
        yield Problem(line_of(document.lines, ("run", key)), ("run", key), text)
    lines = {path[1:]: line for path, line in document.lines.items() if path[:1] == ("run",)}
    try:
        TypeAdapter(RunConfig).validate_python(
            {"plugin": "noop", **{key: value for key, value in given.items() if key not in unknown}}
        )
    except ValidationError as error:
        for one in explain(error, given, lines, _allowed):
            yield Problem(one.line, ("run", *one.path), one.text)
    except HarnessError as error:
        yield Problem(line_of(document.lines, ("run",)), ("run",), str(error))


def _allowed(path: KeyPath, value: Json) -> list[str]:  # noqa: ARG001  (the signature of allowed_keys)
    if path[:1] == ("run",):
        return list(RUN_KEYS)
    model = _MODELS[str(path[0])] if path else StudyFile
    return [field.alias or name for name, field in model.model_fields.items()]

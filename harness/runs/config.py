"""The options of a run, as a frozen, serialisable value."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from harness.choices import Adapter, Clock, Design, Engine, FailedAs, Isolation
from harness.core.bounds import NumberError, Real, Whole, check_json
from harness.core.reading import foreign
from harness.errors import UsageError
from harness.plugins.spec import PluginSpec
from harness.runners.base import Limits
from harness.runs.marks import checked_note, checked_tags

WEEK_S = 7 * 24 * 3600.0
MOST_MODELS = 10_000
MOST_COUNTED = 10**15
MODELS_EACH = 4
"""Models for each of ``--models``: original, retrained, control and unlearned."""
TIME_LIMIT_S = Real(0, WEEK_S, above=True)
TIME_LIMIT_STEPS = Real(0, 1e12, above=True)
SEED = Whole(0, 2**63 - 1)
TRIED = Whole(1, 10**9)


@dataclass(frozen=True)
class Option:
    """Command-line presentation of a field of :class:`RunConfig`; type and default are the field's.

    Attributes:
        help: description, one line.
        flag: name of the option; empty for the field's name with hyphens.
        shown: text shown in the help for a default of None.
        bounds: bounds of a number.
        metavar: placeholder of the value in the help.
    """

    help: str
    flag: str = ""
    shown: str = ""
    bounds: Whole | Real | None = None
    metavar: str = ""


@dataclass(frozen=True)
class RunConfig:
    """All options of ``harness run``; the command line's options are generated from these fields.

    Attributes:
        plugin: entry-point name, path of a .py file, notebook, wheel or source directory, or name==version.
        adapter: how to call the function of a .py file or notebook.
        require: file with a requirement per line.
        evaluators: names, ``default`` or ``all``; empty for the default ones and the task's.
        options: the plugin's options.
        gpus: "auto", "none", "all", a number, or UUIDs with commas.
        tags, note: help to find the run again; no result depends on them.
        settings_tried: told in the report; no result depends on it.
        debug: open the debugger on the user's terminal if the plugin fails; without limit and scores.
    """

    plugin: Annotated[str, Option("Name, path of a .py file, notebook, wheel or source directory, or name==version.")]
    adapter: Annotated[
        Adapter, Option("How to call the function of a .py file or notebook; `auto` chooses by its signature.")
    ] = "auto"
    require: Annotated[
        str | None, Option("Requirements file: packages to add to the sandbox for this plugin.", metavar="FILE")
    ] = None
    task: Annotated[str, Option("Name of a task, or path of a YAML file.")] = "faces"
    runner: Annotated[
        str, Option("Where the plugin runs: docker, podman, process (no isolation), or an installed runner's name.")
    ] = "auto"
    output: Annotated[str | None, Option("Run folder.", shown="runs/TIME-PLUGIN-TASK", metavar="PATH")] = None
    models: Annotated[
        int | None, Option("Models per population.", shown="the task's", bounds=Whole(1, MOST_MODELS))
    ] = None
    repeats: Annotated[int, Option("Number of unlearnings of each original.", bounds=Whole(1, MOST_MODELS))] = 1
    design: Annotated[Design, Option("One original per model, or one original for all models.")] = "per-original"
    seed: Annotated[int, Option("Seed of the unlearning runs.", bounds=SEED)] = 0
    time_limit_s: Annotated[
        float | None,
        Option("Limit per model, in the clock's unit.", flag="--time-limit", shown="measured", bounds=TIME_LIMIT_S),
    ] = None
    budget_fraction: Annotated[
        float | None,
        Option(
            "Limit as a fraction of retraining; comma-separated fractions get a run each, and a curve.",
            shown="the task's",
            bounds=Real(0, 1000, above=True),
        ),
    ] = None
    clock: Annotated[Clock, Option("Limit seconds, CPU seconds, or examples drawn from the loaders.")] = "wall"
    no_wait: Annotated[bool, Option("Measure retraining immediately, even if the machine is busy.")] = False
    failed_as: Annotated[FailedAs, Option("Exclude failed models, or count each as its original.")] = "missing"
    evaluators: Annotated[
        tuple[str, ...],
        Option("Use only this evaluator, `default` or `all`; may be repeated.", flag="--evaluator"),
    ] = ()
    options: Annotated[
        Mapping[str, Any], Option("An option of the plugin; may be repeated.", flag="--set", metavar="KEY=VALUE")
    ] = field(default_factory=dict)
    isolation: Annotated[Isolation, Option("One sandbox for all models, or one for each.")] = "run"
    gpus: Annotated[str, Option("none, all, a number, or comma-separated UUIDs.")] = "auto"
    runtime: Annotated[str | None, Option("OCI runtime of the containers, e.g. runsc.", shown="the engine's")] = None
    torch: Annotated[
        str | None,
        Option("torch version of the sandbox image; comma-separated versions get a run each.", shown="the host's"),
    ] = None
    base: Annotated[str | None, Option("Base image of the sandbox.")] = None
    workers: Annotated[int, Option("Number of parallel models, each in its own sandbox.", bounds=Whole(1, 100_000))] = 1
    cpus: Annotated[
        int | None, Option("Cores of a sandbox.", shown="all, divided among the workers", bounds=Whole(1, 4096))
    ] = None
    memory_mib: Annotated[  # torch alone needs the least
        int, Option("Memory of a sandbox, MiB.", flag="--memory", bounds=Whole(256, 2**24))
    ] = 8192
    engine: Annotated[Engine, Option("Work on this machine, or on the nodes of a Ray cluster.")] = "local"
    address: Annotated[
        str | None,
        Option("Head of the Ray cluster.", shown="$RAY_ADDRESS, or that of this machine", metavar="HOST:PORT"),
    ] = None
    mixed_nodes: Annotated[bool, Option("Use nodes of all kinds, not of the commonest alone.")] = False
    insecure_cluster: Annotated[bool, Option("Accept a cluster without token authentication.")] = False
    keep_weights: Annotated[bool, Option("Keep every unlearned model's weights in the run folder.")] = False
    tags: Annotated[
        tuple[str, ...], Option("A tag to find the run by, see `harness ls`; may be repeated.", flag="--tag")
    ] = ()
    note: Annotated[str, Option("A sentence about the run, shown by `harness ls`.", metavar="TEXT")] = ""
    settings_tried: Annotated[
        int | None,
        Option("Settings of the method that were tried to choose these options.", shown="unknown", bounds=TRIED),
    ] = None
    keep_going: Annotated[bool, Option("Run all models, even if the first three fail alike.")] = False
    force: Annotated[bool, Option("Replace the run that the output folder contains.")] = False
    debug: Annotated[bool, Option("Debug a failing plugin on this terminal; needs --runner process.", flag="--pdb")] = (
        False
    )

    def __post_init__(self) -> None:
        if not self.plugin:
            raise UsageError("--plugin must not be empty. Pass a name, a path or name==version.")
        if self.runtime is not None and self.runner == "process":
            raise UsageError("--runtime applies to containers, but `--runner process` starts none.")
        if self.debug and self.runner != "process":
            raise UsageError(
                "--pdb needs `--runner process`: the debugger runs in the plugin's own process, without isolation. To debug "
                f"inside the sandbox: harness shell {self.plugin}"
            )
        if self.adapter != "auto" and PluginSpec.parse(self.plugin).kind != "script":
            raise UsageError("--adapter is for a single file (--plugin method.py); other plugins implement the hook.")
        object.__setattr__(self, "tags", checked_tags(self.tags))
        checked_note(self.note)
        self._check_numbers()
        if self.repeats > 1 and self.design == "one-original":
            raise UsageError(
                "--repeats is for the design per-original. In one-original every model is a repeat of the first original: "
                "set their number with --models."
            )
        if self.time_limit_s is not None and self.budget_fraction is not None:
            raise UsageError("--time-limit and --budget-fraction exclude each other; pass only one of them.")
        for option, value, known in (
            ("clock", self.clock, Clock),
            ("failed-as", self.failed_as, FailedAs),
            ("adapter", self.adapter, Adapter),
        ):
            if value not in get_args(known):
                raise UsageError(f"--{option} must be one of {', '.join(get_args(known))}, not {value!r}.")
        if self.engine == "local" and (self.address or self.mixed_nodes or self.insecure_cluster):
            raise UsageError("--address, --mixed-nodes and --insecure-cluster are for `--engine ray`.")
        if self.engine == "ray" and self.debug:
            raise UsageError("--pdb debugs on this terminal; leave --engine out.")
        if self.mixed_nodes and self.time_limit_s is None and self.clock != "steps":
            raise UsageError(
                "--mixed-nodes needs --time-limit or --clock steps: a limit measured on one kind of node is none for another."
            )
        if self.debug and self.workers > 1:
            raise UsageError("--pdb debugs one model at a time; leave --workers out.")

    def _check_numbers(self) -> None:
        """Convert NumPy numbers to Python's; raise UsageError for a wrong type or a value out of bounds."""
        for name, option in options_of_runs().items():
            bounds, value = option.bounds, getattr(self, name)
            if bounds is None or (value is None and getattr(type(self), name) is None):
                continue
            if name == "time_limit_s" and self.clock == "steps":
                bounds = TIME_LIMIT_STEPS
            try:
                object.__setattr__(self, name, bounds.check(value))
            except NumberError as error:
                raise UsageError(f"{option.flag} {error}.{_effort(name, value)}") from error
        total = self.repeats * (self.models or 1)
        if total > MOST_MODELS:
            raise UsageError(f"--models times --repeats must be at most {MOST_MODELS}, not {total}.")
        try:
            check_json(self.options)
        except ValueError as error:
            raise UsageError(f"An option of the plugin {error}.") from error

    def plan(self, models: int) -> tuple[int, ...]:
        """Return the index of the original for each unlearning, in order: every original once before any is repeated."""
        if self.design == "one-original":
            return (0,) * models
        return tuple(range(models)) * self.repeats

    def limits(self, cores: int) -> Limits:
        """Return each sandbox's limits on a host with ``cores`` cores."""
        return Limits(memory_mib=self.memory_mib, cpus=float(self.cores_of_one(cores)))

    def cores_of_one(self, cores: int) -> int:
        """Return the number of cores of one worker's sandbox on a host with ``cores`` cores."""
        return min(self.cpus or max(1, cores // self.workers), cores)

    def with_absolute_paths(self) -> RunConfig:
        """Return a copy with absolute paths of plugin and task."""
        plugin = str(PluginSpec.parse(self.plugin).absolute())
        task = (
            str(Path(self.task).absolute()) if self.task.endswith((".yaml", ".yml")) or "/" in self.task else self.task
        )
        return replace(self, plugin=plugin, task=task)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values that :meth:`from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunConfig:
        """Parse the result of :meth:`to_json`; unknown keys (of a newer version) are an error."""
        known = {one.name for one in fields(cls)}
        if unknown := set(data) - known:
            raise UsageError(
                f"the run was started by another version of the harness: unknown options {sorted(unknown)}."
            )
        from pydantic import TypeAdapter

        with foreign("the stored options are damaged", UsageError, "Begin the run again."):
            return TypeAdapter(cls).validate_python(data)


def _effort(name: str, value: object) -> str:
    """Return what an absurd number of models would take; empty for other options and values."""
    if name not in ("models", "repeats") or not isinstance(value, int) or not MOST_MODELS < value < MOST_COUNTED:
        return ""
    models = value * (MODELS_EACH if name == "models" else 1)
    years = models / (365.25 * 24 * 3600)
    return f" That would be {models:,} models to train and unlearn: {years:,.1f} years at one second each."


@functools.cache
def options_of_runs() -> Mapping[str, Option]:
    """Return the command-line option of each field of RunConfig."""
    found = {name: get_args(hint)[1] for name, hint in get_type_hints(RunConfig, include_extras=True).items()}
    return {name: replace(one, flag=one.flag or f"--{name.replace('_', '-')}") for name, one in found.items()}


def parse_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse ``["lr=0.01", "name=x"]`` into a dict; values are JSON if they parse as JSON, else text.

    Raises:
        UsageError: a pair without "=", a key given twice, or a number that is not finite.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key.isidentifier():
            raise UsageError(f"--set takes KEY=VALUE with a KEY that is an identifier, not {pair!r}.")
        if key in options:
            raise UsageError(f"--set gives {key!r} twice.")
        options[key] = parse_value(key, text)
    return options


def parse_value(key: str, text: str) -> Any:
    """Return the JSON value of a text, else the text itself."""
    try:
        value = json.loads(text)
        check_json(value)
    except json.JSONDecodeError:
        return text
    except RecursionError as error:
        raise UsageError(f"--set {key} is nested too deeply.") from error
    except ValueError as error:
        raise UsageError(f"--set {key} {error}; quote it to pass it as text.") from error
    return value

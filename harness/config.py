"""What a user asks of a run, as one frozen value that can be kept and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from harness.bounds import NumberError, Real, Whole, check_json
from harness.errors import UsageError
from harness.evaluation import Clock, Design
from harness.plugin_spec import PluginSpec
from harness.reading import foreign
from harness.runners.base import Limits

RunnerName = Literal["auto", "docker", "process"]
Isolation = Literal["run", "model"]
FailedAs = Literal["missing", "noop"]

WEEK_S = 7 * 24 * 3600.0
MOST_MODELS = 10_000
TIME_LIMIT_S = Real(0, WEEK_S, above=True)
TIME_LIMIT_STEPS = Real(0, 1e12, above=True)
SEED = Whole(0, 2**63 - 1)
NUMBERS: Mapping[str, tuple[str, Whole | Real]] = {
    "models": ("--models", Whole(1, MOST_MODELS)),
    "repeats": ("--repeats", Whole(1, MOST_MODELS)),
    "seed": ("--seed", SEED),
    "budget_fraction": ("--budget-fraction", Real(0, 1000, above=True)),
    "cpus": ("--cpus", Whole(1, 4096)),
    "memory_mib": ("--memory", Whole(256, 2**24)),  # torch alone needs the least
    "workers": ("--workers", Whole(1, 100_000)),
}
"""Options that are numbers, each with its bounds; the limit's depend on the clock."""
_OPTIONAL = ("models", "time_limit_s", "budget_fraction", "cpus")


@dataclass(frozen=True)
class RunConfig:
    """All options of ``harness run``.

    Attributes:
        plugin: entry-point name, path of a wheel or source directory, or name==version.
        task: registered name, or path of a YAML file.
        runner: "auto" takes Docker where it is reachable.
        output: run folder; None for ``runs/TIME-PLUGIN-TASK``.
        models: models per population; None for the task's own number.
        repeats: how often each original is unlearned, with other seeds of the method.
        design: "per-original" unlearns as many originals as there are models; "one-original" the first one again and again.
        seed: of the unlearning runs; the reference populations have the task's.
        time_limit_s: explicit limit per model, in the unit of ``clock``; None to measure.
        budget_fraction: of the smallest measured retraining; None for the task's own.
        clock: what the limit counts: "wall" (seconds on the host's clock), "cpu" (processor seconds of the sandbox) or "steps"
            (examples drawn from the splits).
        no_wait: measure retraining at once, even if the machine is busy.
        failed_as: "missing" leaves failed models out of all numbers; "noop" counts each as its original.
        evaluators: names; empty for all.
        options: handed to the plugin.
        isolation: "run" forks models from one guest, "model" starts a guest for each.
        gpus: "auto", "none", "all", a number, or UUIDs with commas.
        runtime: OCI runtime of the containers, as the engine names it; None for the engine's default.
        torch: version inside the image; None for the host's.
        base: base image; None to choose.
        cpus: cores of a guest; None for all that the host process may use, shared out evenly among workers.
        memory_mib: of a guest.
        keep_weights: keep every model's unlearned weights in the run folder.
        debug: the user's terminal is handed to a plugin that fails; nothing is limited and nothing is scored.
        workers: models unlearned at the same time, each in a sandbox of its own on cores and GPUs of its own.
    """

    plugin: str
    task: str = "faces"
    runner: RunnerName = "auto"
    output: str | None = None
    models: int | None = None
    repeats: int = 1
    design: Design = "per-original"
    seed: int = 0
    time_limit_s: float | None = None
    budget_fraction: float | None = None
    clock: Clock = "wall"
    no_wait: bool = False
    failed_as: FailedAs = "missing"
    evaluators: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    isolation: Isolation = "run"
    gpus: str = "auto"
    runtime: str | None = None
    torch: str | None = None
    base: str | None = None
    cpus: int | None = None
    memory_mib: int = 8192
    keep_weights: bool = False
    debug: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.plugin:
            raise UsageError("--plugin must not be empty: give a name, a path or name==version.")
        if self.runtime is not None and self.runner == "process":
            raise UsageError("--runtime is for containers, and `--runner process` starts none.")
        if self.debug and self.runner != "process":
            raise UsageError(
                "--pdb needs `--runner process`: the debugger runs in the plugin's own process, as you, without isolation. "
                f"To look at a plugin inside the sandbox: harness shell {self.plugin}"
            )
        self._check_numbers()
        if self.repeats > 1 and self.design == "one-original":
            raise UsageError(
                "--repeats is for the design per-original. Under one-original every model is a repeat of the first original: "
                "give their number with --models."
            )
        if self.time_limit_s is not None and self.budget_fraction is not None:
            raise UsageError("--time-limit and --budget-fraction exclude each other; give one of them.")
        for option, value, known in (("clock", self.clock, Clock), ("failed-as", self.failed_as, FailedAs)):
            if value not in get_args(known):
                raise UsageError(f"--{option} must be one of {', '.join(get_args(known))}, not {value!r}.")
        if self.debug and self.workers > 1:
            raise UsageError("--pdb debugs one model at a time; leave --workers out.")

    def _check_numbers(self) -> None:
        """Put plain numbers in the place of NumPy's; raise UsageError for one of another type or out of bounds."""
        limit = TIME_LIMIT_STEPS if self.clock == "steps" else TIME_LIMIT_S
        for name, (option, bounds) in {**NUMBERS, "time_limit_s": ("--time-limit", limit)}.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            try:
                object.__setattr__(self, name, bounds.check(value))
            except NumberError as error:
                raise UsageError(f"{option} {error}.") from error
        total = self.repeats * (self.models or 1)
        if total > MOST_MODELS:
            raise UsageError(f"--models times --repeats must be at most {MOST_MODELS}, not {total}.")
        try:
            check_json(self.options)
        except ValueError as error:
            raise UsageError(f"An option of the plugin {error}.") from error

    def plan(self, models: int) -> tuple[int, ...]:
        """Which original each unlearning takes, in order: all originals once before any a second time."""
        if self.design == "one-original":
            return (0,) * models
        return tuple(range(models)) * self.repeats

    def limits(self, cores: int) -> Limits:
        """Each sandbox's limits on a host with ``cores`` cores."""
        return Limits(memory_mib=self.memory_mib, cpus=float(self.cores_of_one(cores)))

    def cores_of_one(self, cores: int) -> int:
        """Cores of one worker's sandbox on a host with ``cores`` cores."""
        return min(self.cpus or max(1, cores // self.workers), cores)

    def with_absolute_paths(self) -> RunConfig:
        """The same, but with paths of plugin and task that hold from any working directory."""
        plugin = str(PluginSpec.parse(self.plugin).absolute())
        task = (
            str(Path(self.task).absolute()) if self.task.endswith((".yaml", ".yml")) or "/" in self.task else self.task
        )
        return replace(self, plugin=plugin, task=task)

    def to_json(self) -> dict[str, Any]:
        """JSON values; :meth:`from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunConfig:
        """Inverse of :meth:`to_json`; unknown keys (of a newer version) are an error."""
        known = {one.name for one in fields(cls)}
        if unknown := set(data) - known:
            raise UsageError(f"the run was begun by another version of the harness: unknown options {sorted(unknown)}.")
        with foreign("what was asked for is damaged", UsageError, "Begin the run again."):
            return TypeAdapter(cls).validate_python(data)


def parse_options(pairs: Iterable[str]) -> dict[str, Any]:
    """``["lr=0.01", "name=x"]`` as a dict; a value that reads as JSON is taken as such, else as text.

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
        options[key] = _value(key, text)
    return options


def _value(key: str, text: str) -> Any:
    try:
        value = json.loads(text)
        check_json(value)
    except json.JSONDecodeError:
        return text
    except RecursionError as error:
        raise UsageError(f"--set {key} is nested too deeply.") from error
    except ValueError as error:
        raise UsageError(f"--set {key} {error}; put it in quotes for a text.") from error
    return value

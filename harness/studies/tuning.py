"""The search for a method's options with Optuna, on a task that the final run shares no forget set and no models with.

Each trial is an ordinary run. Its value is what was forgotten, less :data:`COST` for every point of accuracy on the validation
set below what the task's margins allow. Optuna's storage is a file in the folder, so that a search that was stopped goes on: the
sampler is seeded anew for each trial, and so a search that was interrupted draws what an undisturbed one does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.comparing.trade_off import forgetting_metric
from harness.core.cache import key_of
from harness.core.files import atomic_write_json
from harness.core.locks import HeldError, locked
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.errors import LibraryMissingError, RunNotFoundError, StudyInvalidError, UsageError
from harness.plugins.discovery import find_task
from harness.report.document import Report
from harness.runs.config import RunConfig, parse_value
from harness.runs.pipeline import RunResult
from harness.runs.runner_choice import check_runner
from harness.runs.several import continued_later, ended_run
from harness.studies.scores import score_of
from harness.studies.tuning_task import tuning_task
from harness.tasks.task import Task

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

BEGUN, STORAGE, LOCK, TRIALS, FINAL = "tune.json", "optuna.db", ".tune.lock", "trials", "final"
UTILITY = "accuracy.validation"
COST = 0.1
"""Of the value, 1 as forgotten as by retraining, for each point of accuracy that is missing."""
MOST_TRIALS = 10_000
ADVICE = "Tuning needs Optuna, which is not installed: pip install 'unlearning-harness[tune]'"


@dataclass(frozen=True)
class Tuned:
    """The end of a search.

    Attributes:
        options: the chosen ones.
        value: their value.
        trials: number of settings that were tried.
        result: the final run with them.
    """

    options: Mapping[str, Any]
    value: float
    trials: int
    result: RunResult


def parse_search(texts: tuple[str, ...]) -> dict[str, BaseDistribution]:
    """Return the range of each option: ``lr=0.001..0.1:log``, ``epochs=1..5`` or ``mode=a,b``.

    Raises:
        UsageError: a text is none of these, or names an option twice.
        LibraryMissingError: Optuna is not installed.
    """
    optuna_module()
    found: dict[str, BaseDistribution] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not name.isidentifier() or name in found:
            raise UsageError(
                f"--search takes KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B, each KEY once, not {text!r}."
            )
        try:
            found[name] = _range(name, values)
        except ValueError as error:
            raise UsageError(f"--search {text}: {error}") from error
    if not found:
        raise UsageError("Pass at least one option to search with --search, e.g. --search lr=0.001..0.1:log.")
    return found


def tune(config: RunConfig, search: tuple[str, ...], trials: int, folder: Path, progress: Progress) -> Tuned:
    """Search the options of a method, and make the final run with the best; go on if the folder has this search.

    Args:
        config: of the final run; its options are fixed, and ``output`` is replaced.
        search: see :func:`parse_search`.
        trials: number of settings to try in all; a search that has ended may be given more.
        folder: of the search.
        progress: receives progress messages.

    Raises:
        UsageError: an option is invalid, the task cannot be tuned on, or no trial has a value.
        StudyInvalidError: the folder has another search.
        HarnessError: as :func:`harness.runs.pipeline.run`; trials that have ended are kept.
    """
    space = parse_search(search)
    if not 1 <= trials <= MOST_TRIALS:
        raise UsageError(f"--trials must be from 1 to {MOST_TRIALS}, not {trials}.")
    config = config.with_absolute_paths()
    if twice := set(space) & set(config.options):
        raise UsageError(f"{min(twice)} is fixed by --set and searched by --search; pass only one of them.")
    task = find_task(config.task)
    check_runner(config, progress)
    other = tuning_task(task)
    with _ours(folder, config, search, task), continued_later(folder, "the same command, with --output"):
        found = _storage(folder)
        with progress.step("tuning", trials) as step:
            while len(tried := _tried(found, space)) < trials:
                step.tell(f"trial {len(tried) + 1}")
                _trial(found, space, config, other, folder, progress)
                step.advance()
        return _final(found, len(tried), config, folder, progress)


def optuna_module() -> Any:
    """Return Optuna, which says nothing but warnings.

    Raises:
        LibraryMissingError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise LibraryMissingError(ADVICE) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _range(name: str, text: str) -> BaseDistribution:
    from optuna import distributions

    span, _, how = text.partition(":")
    low, dots, high = span.partition("..")
    if not dots:
        choices = [parse_value(name, one.strip()) for one in text.split(",")]
        if len(choices) < 2:
            raise ValueError("a single value is no range; pass it with --set")
        return distributions.CategoricalDistribution(choices)
    if how not in ("", "log"):
        raise ValueError(f"after the range, only :log is known, not :{how}")
    if low.lstrip("-").isdecimal() and high.lstrip("-").isdecimal():
        return distributions.IntDistribution(int(low), int(high), log=how == "log")
    return distributions.FloatDistribution(float(low), float(high), log=how == "log")


@contextmanager
def _ours(folder: Path, config: RunConfig, search: tuple[str, ...], task: Task) -> Iterator[None]:
    """Context manager: hold the folder, which has this search or is new."""
    begun = {"format": 1, "config": config.to_json(), "search": sorted(search), "task": key_of(task.definition)}
    begun = json.loads(json.dumps(begun))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / LOCK, wait=False):
            if (folder / BEGUN).exists():
                with foreign(f"{folder / BEGUN} cannot be read", RunNotFoundError):
                    before = json.loads((folder / BEGUN).read_bytes())
                if before != begun:
                    raise StudyInvalidError(
                        f"{folder} has another search: method, task, options or ranges differ. Choose another folder "
                        "with --output."
                    )
            elif any(one.name != LOCK for one in folder.iterdir()):
                raise StudyInvalidError(f"{folder} contains other files. Choose another folder with --output.")
            else:
                atomic_write_json(folder / BEGUN, begun)
            yield
    except HeldError:
        raise UsageError(f"Another process is using {folder}. Wait until it ends, or stop it.") from None


def _storage(folder: Path) -> optuna.Study:
    made: optuna.Study = optuna_module().create_study(
        storage=f"sqlite:///{(folder / STORAGE).absolute()}",
        study_name="tune",
        direction="maximize",
        load_if_exists=True,
    )
    return made


def _tried(found: optuna.Study, space: Mapping[str, BaseDistribution]) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that have ended; one that was killed while it was drawn is none."""
    return [
        one for one in found.get_trials(deepcopy=False) if one.state.is_finished() and set(one.params) == set(space)
    ]


def _trial(
    found: optuna.Study,
    space: Mapping[str, BaseDistribution],
    config: RunConfig,
    task: Task,
    folder: Path,
    progress: Progress,
) -> None:
    """Make a trial, or go on with the one that was interrupted."""
    library = optuna_module()
    begun = [one for one in found.get_trials(deepcopy=False) if not one.state.is_finished()]
    if begun and set(begun[0].params) != set(space):
        found.tell(begun[0].number, state=library.trial.TrialState.FAIL)
        return
    if not begun:
        found.sampler = library.samplers.TPESampler(seed=config.seed + len(_tried(found, space)))
        found.ask(dict(space))
        begun = [one for one in found.get_trials(deepcopy=False) if not one.state.is_finished()]
    number, options = begun[0].number, {**config.options, **begun[0].params}
    one = replace(config, options=options, task=task.name)
    (folder / TRIALS).mkdir(exist_ok=True)
    shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in begun[0].params.items())
    report = ended_run(folder / TRIALS / f"{number:04d}", one, progress, None, f"Trial {number}: {shown}", task).report
    value = value_of(report, task)
    if value is None:
        found.tell(number, state=library.trial.TrialState.FAIL)
    else:
        found.tell(number, value)


def value_of(report: Report, task: Task) -> float | None:
    """Return the value of a trial; None if no model finished or its forgetting is undefined."""
    if report.status == "failed":
        return None
    score = score_of(report, forgetting_metric([report]), UTILITY)
    if score.forgotten is None:
        return None
    if score.utility is None or score.utility_control is None:
        return score.forgotten
    missing = 100 * (score.utility_control - score.utility) - task.margins.utility_points
    return score.forgotten - COST * max(0.0, missing)


def _final(found: optuna.Study, trials: int, config: RunConfig, folder: Path, progress: Progress) -> Tuned:
    try:
        best = found.best_trial
    except ValueError:
        raise UsageError(
            f"No trial in {folder / TRIALS} has a value: no model came back, or the forgetting of so few models is undefined. "
            "See their reports; give more --models, or other ranges with another --output."
        ) from None
    options = {**config.options, **best.params}
    one = replace(config, options=options, settings_tried=trials)
    place = folder / f"{FINAL}-{trials}"
    result = ended_run(place, one, progress, title=f"Final run, with the best of {trials} settings")
    return Tuned(options, float(best.value or 0.0), trials, result)

"""Judging a finished run once more, with other or newer evaluators; nothing is unlearned again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.assembling import Judgement, assemble
from harness.budget import Limit
from harness.cache import take_rebuilt
from harness.choices import FailedAs
from harness.config import RunConfig
from harness.discovery import choose_evaluators
from harness.errors import ResumeMismatchError, UsageError
from harness.pipeline import RunResult
from harness.progress import Progress
from harness.queries import NO_QUERIES
from harness.recording import LEFT_OUT, cache_keys, evaluator_warnings, left_out, populations_record
from harness.references import ROLES, References
from harness.report.faults import faulty
from harness.report.model import EvaluatorRecord, Report, utc_now
from harness.report.page import write_page
from harness.report.writing import write_report
from harness.store import RunStore
from harness.tasks.checking import load_data
from harness.tasks.keeping import kept_task
from harness.tasks.model import Margins, TaskData
from harness.unjudged import all_outcomes, report_so_far

KEPT = "Judged again, but an earlier record stands: "


def rejudge(folder: Path, names: Sequence[str], progress: Progress, failed_as: FailedAs | None = None) -> RunResult:
    """Put the evaluators' new records in the place of their old ones in a run's report.

    A run that has none, or of which models have ended since, gets a new one; models that have not ended count as failed.

    An evaluator that fails now leaves its old record where that holds numbers; a warning says so.

    Args:
        folder: of the run.
        names: of evaluators; empty for all that are installed. Records of others stay as they are.
        progress: told what goes on.
        failed_as: what failed models count as from now on; None for what the run has. A change needs all evaluators.

    Raises:
        RunNotFoundError: there is no run in ``folder``, or none of which a model has ended well.
        ResumeMismatchError: the task's data or the reference models are not those of the run.
        EvaluatorError: an evaluator asked for by name is not there.
    """
    store = RunStore.open(folder)
    begun = store.read_run()
    config = RunConfig.from_json(begun["config"])
    task = kept_task(begun, config, folder)
    report = report_so_far(store, begun, config, task)
    if wrong := faulty(report):
        progress.notice(
            f"The numbers of {', '.join(wrong)} in this report were wrong, by a fault since mended; they are replaced."
        )
    failed_as = _failed_as(report, names, failed_as)
    evaluators, broken = choose_evaluators(names)
    for plugin in broken:
        progress.notice(f"An evaluator is left out: {plugin.reason}")
    with store.held():
        data = load_data(task)
        references = References(
            task,
            data,
            device="cpu" if begun["identity"]["device"][0].startswith("cpu") else "cuda",
            queries=None if "queries" in begun["identity"] else NO_QUERIES,  # an older run's models were asked none
        )
        models = config.models or task.models
        _check(report, data, references, models, folder)
        populations = references.populations(models, progress)
        for text in take_rebuilt():
            progress.notice(text)
        limit = Limit.from_json(begun["limit"])
        outcomes = all_outcomes(store, config, task)
        judgement = Judgement(config, task, data, populations, limit, outcomes, store, failed_as, evaluators, progress)
        judged = with_records(
            report,
            judgement.records,
            [plugin.reason for plugin in broken],
            cache_keys(populations, limit),
            task.margins,
            failed_as=failed_as,
        )
        made = populations_record(populations, outcomes, failed_as)
        found = judgement.examples(judged.evaluators)
        judged = judged.model_copy(update={"examples": found, "populations": made})
        write_report(judged, folder)
        write_page(judged, folder)
        begun["config"]["failed_as"] = failed_as
        if config.evaluators:  # or a `harness resume` would judge by those alone that the run was begun with
            begun["config"]["evaluators"] = [one.name for one in judged.evaluators]
        store.write_run(begun)
    return RunResult(judged, folder)


def _failed_as(report: Report, names: Sequence[str], asked: FailedAs | None) -> FailedAs:
    """Return what failed models count as, in all evaluators' records alike.

    Raises:
        UsageError: it changes, and some records would stay as they are.
    """
    before = report.populations.failed_as
    if asked is None or asked == before:
        return before
    if names:
        raise UsageError(
            f"--failed-as {asked} changes every number, and the records of other evaluators would stay: leave --evaluator out."
        )
    return asked


def _check(report: Report, data: TaskData, references: References, models: int, folder: Path) -> None:
    """The run's own data and reference models, or an error: numbers against others would look comparable and not be."""
    changed = ["the task's data"] if data.digest() != report.task.data_digest else []
    keys = {f"{role}.{n}": key for role in ROLES for n, key in enumerate(references.keys(role, models))}
    known = {name: key for name, key in report.cache_keys.items() if name in keys}
    if not changed and known != keys:
        changed = ["how reference models are trained or queried (torch, device, recipe or code)"]
    if changed:
        raise ResumeMismatchError(
            f"{folder} cannot be judged again: changed since it was run: {changed[0]}. Undo the change, or run the plugin anew."
        )


def with_records(
    report: Report,
    records: Sequence[EvaluatorRecord],
    broken: Sequence[str],
    keys: Mapping[str, str],
    margins: Margins = Margins(),  # noqa: B008 -- it is frozen
    *,
    failed_as: FailedAs = "missing",
) -> Report:
    """The report with new records in place of old ones of the same name, and all that follows from them.

    Args:
        report: as it was.
        records: what evaluators say now.
        broken: why installed evaluators could not be used, one sentence each.
        keys: of all that came from a cache.
        margins: of the task, for the verdict.
        failed_as: what failed models count as.
    """
    good = {one.name for one in report.evaluators if not one.error}
    failed = [one for one in records if one.error and one.name in good]
    by_name = {one.name: one for one in (*report.evaluators, *(one for one in records if one not in failed))}
    evaluators = tuple(by_name[name] for name in sorted(by_name))
    outdated = set(evaluator_warnings(report.evaluators))
    warnings = [text for text in report.warnings if text not in outdated and not text.startswith((LEFT_OUT, KEPT))]
    warnings += [left_out(reason) for reason in broken] + [f"{KEPT}{one.name}, failed: {one.error}" for one in failed]
    changes = {"cache_keys": dict(keys), "rejudged": utc_now()}
    return assemble(report, evaluators, margins, failed_as, warnings, changes)

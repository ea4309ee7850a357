"""Re-evaluation of a finished run with other or newer evaluators, and its outputs, without unlearning again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.choices import FailedAs
from harness.core.cache import take_rebuilt
from harness.core.progress import Progress
from harness.errors import ResumeMismatchError, UsageError
from harness.evaluation import Evidence
from harness.plugins.discovery import DEFAULT, EVALUATORS, choose_evaluators, find_plugins
from harness.references.own_network import OwnNetwork
from harness.references.populations import Population, References
from harness.references.queries import NO_QUERIES
from harness.report.document import EvaluatorRecord, Report, utc_now
from harness.report.faults import faulty
from harness.report.page import write_page
from harness.report.writing import write_report
from harness.runs.assemble import LEFT_OUT, assemble, evaluator_warnings, left_out, run_evidence
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.evaluators import evaluate
from harness.runs.forget_choice import with_forget_set
from harness.runs.kept_task import kept_task
from harness.runs.pipeline import RunResult
from harness.runs.probing import probe_run, probes_for
from harness.runs.requests import populations_of
from harness.runs.store import RunStore
from harness.runs.unjudged import all_outcomes, cache_keys, populations_record, report_so_far
from harness.runs.worst_examples import Pictures, examples_record
from harness.tasks.checking import load_data
from harness.tasks.deletions import data_of
from harness.tasks.task import Margins, Task

KEPT = "Judged again, but an earlier record stands: "


def rejudge(folder: Path, names: Sequence[str], progress: Progress, failed_as: FailedAs | None = None) -> RunResult:
    """Replace evaluators' records in a run's report by new ones.

    A new report is created if there is none or models have ended since; models that have not ended count as failed. If an
    evaluator fails now, its earlier record is kept unless that has an error too, and a warning is added.

    Args:
        folder: folder of the run.
        names: names of evaluators; empty for the default ones, the task's and the report's. Records of others are unchanged.
        progress: shows progress and notices.
        failed_as: how failed models count; None for no change. A change requires all evaluators.

    Raises:
        RunNotFoundError: if there is no run in ``folder``, or no finished model.
        ResumeMismatchError: if the task's data or the reference models differ from the run's.
        EvaluatorError: if an evaluator in ``names`` does not exist.
    """
    store = RunStore.open(folder)
    begun = store.read_run()
    config = RunConfig.from_json(begun["config"])
    task = kept_task(begun, config, folder)
    report = report_so_far(store, begun, config, task)
    if wrong := faulty(report):
        progress.notice(
            f"The numbers of {', '.join(wrong)} in this report were wrong because of a bug that is fixed; they are replaced."
        )
    failed_as = _failed_as(report, names, failed_as)
    evaluators, broken = choose_evaluators(names or _as_before(report, task))
    for plugin in broken:
        progress.notice(f"An evaluator is excluded: {plugin.reason}")
    with store.held():
        references, populations = _inputs(begun, config, task, report, folder, progress)
        limit, models = Limit.from_json(begun["limit"]), config.models or task.models
        outcomes = all_outcomes(store, config, task)
        probed = probe_run(probes_for(evaluators), references, models, outcomes, store, failed_as, progress)
        data = references.data
        evidence = run_evidence(task, data, populations, limit, outcomes, store, config.design, failed_as, probed)
        records = evaluate(evaluators, evidence, progress) if len(evidence.unlearned_from) else ()
        judged = with_records(
            report,
            records,
            [plugin.reason for plugin in broken],
            cache_keys(populations, limit),
            task.margins,
            failed_as=failed_as,
        )
        changes = {
            "examples": examples_record(evidence, judged.evaluators, Pictures.of(task, data_of(data, task.request))),
            "populations": populations_record(populations, outcomes, failed_as),
        }
        judged = judged.model_copy(update=changes)
        write_report(judged, folder)
        write_page(judged, folder)
        begun["config"]["failed_as"] = failed_as
        if config.evaluators:  # otherwise `harness resume` would use only the evaluators that the run was started with
            begun["config"]["evaluators"] = [one.name for one in judged.evaluators]
        store.write_run(begun)
    return RunResult(judged, folder)


def outputs_of(folder: Path, progress: Progress) -> Evidence:
    """Return the outputs of a run's models, as its evaluators get them.

    Raises:
        RunNotFoundError: if there is no run in ``folder``, or no finished model.
        ResumeMismatchError: if the task's data or the reference models differ from the run's.
    """
    store = RunStore.open(folder)
    begun = store.read_run()
    config = RunConfig.from_json(begun["config"])
    task = kept_task(begun, config, folder)
    report = report_so_far(store, begun, config, task)
    with store.held():
        references, populations = _inputs(begun, config, task, report, folder, progress)
        limit, outcomes = Limit.from_json(begun["limit"]), all_outcomes(store, config, task)
        return run_evidence(
            task, references.data, populations, limit, outcomes, store, config.design, report.populations.failed_as
        )


def _inputs(
    begun: Mapping[str, Any], config: RunConfig, task: Task, report: Report, folder: Path, progress: Progress
) -> tuple[References, dict[str, Population]]:
    """Return the reference models of a run, and their populations.

    Raises:
        ResumeMismatchError: if they differ from the run's.
    """
    device = "cpu" if begun["identity"]["device"][0].startswith("cpu") else "cuda"
    own = with_forget_set(OwnNetwork.of(task), device, progress)
    data = load_data(own.task)
    references = References(
        own.task,
        data,
        device=device,
        own=own,
        queries=None if "queries" in begun["identity"] else NO_QUERIES,  # runs of older versions have no queries
    )
    models = config.models or task.models
    _check(report, references, models, folder)
    populations = populations_of(references, models, progress, folder)
    for text in take_rebuilt():
        progress.notice(text)
    return references, populations


def _as_before(report: Report, task: Task) -> list[str]:
    """Return the default evaluators, the task's, and those of the report that are still installed."""
    installed = {plugin.name for plugin in find_plugins(EVALUATORS)}
    return [DEFAULT, *task.evaluators, *(one.name for one in report.evaluators if one.name in installed)]


def _failed_as(report: Report, names: Sequence[str], asked: FailedAs | None) -> FailedAs:
    """Return how failed models count; it must be the same in all evaluators' records.

    Raises:
        UsageError: if it changes while only some evaluators are run.
    """
    before = report.populations.failed_as
    if asked is None or asked == before:
        return before
    if names:
        raise UsageError(
            f"--failed-as {asked} changes the numbers of all evaluators and cannot be combined with --evaluator. Omit that."
        )
    return asked


def _check(report: Report, references: References, models: int, folder: Path) -> None:
    """Raise ResumeMismatchError unless data and reference models are the run's; otherwise numbers would not be comparable."""
    changed = ["the task's data"] if references.data_digest != report.task.data_digest else []
    keys = {f"{role}.{n}": key for role in references.roles for n, key in enumerate(references.keys(role, models))}
    known = {name: key for name, key in report.cache_keys.items() if name in keys}
    if not changed and known != keys:
        changed = ["how reference models are trained or queried (torch, device, recipe or code)"]
    if changed:
        raise ResumeMismatchError(
            f"{folder} cannot be evaluated again because this input changed: {changed[0]}. Undo the change, or rerun the plugin."
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
    """Return the report with records replaced by name, and with verdict and warnings recomputed.

    Args:
        report: the previous report.
        records: new records.
        broken: reasons why installed evaluators could not be used, one sentence each.
        keys: cache keys of everything read from a cache.
        margins: the task's margins, for the verdict.
        failed_as: how failed models count.
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

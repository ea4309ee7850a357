"""A run, from the user's options to the report, and its continuation after an interruption."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from harness.choices import FailedAs
from harness.core import hardware
from harness.core.cache import key_of, take_rebuilt
from harness.core.files import free_mib
from harness.core.history import History
from harness.core.outcomes import ModelOutcome
from harness.core.progress import Progress
from harness.errors import (
    InterruptedRunError,
    NoSpaceError,
    ResumeMismatchError,
    SandboxError,
    UsageError,
)
from harness.evaluation import Evidence
from harness.plugins.discovery import BrokenPlugin, LoadedEvaluator, choose_evaluators, find_task, library_versions
from harness.posts.dispatch import Crew
from harness.posts.local import Equipment
from harness.posts.post import Method
from harness.probes.probe import Probe
from harness.references.identity import device_kind, training_code_digest
from harness.references.originals import untrained
from harness.references.populations import Population
from harness.report.document import EvaluatorRecord, Report, RunnerRecord, utc_now
from harness.report.page import write_page
from harness.report.writing import report_text, write_report
from harness.runners.cores import CoreSet
from harness.runs.assemble import assemble, left_out, run_evidence
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.engines import Engine, engine_of
from harness.runs.evaluators import evaluate, limit_in_force_s
from harness.runs.guest_check import check_in_guest
from harness.runs.kept_task import edited, kept_task, task_to_keep
from harness.runs.phases import Phases
from harness.runs.placement import gpus_to_share, plan_core_sets
from harness.runs.plan import Plan, Work, make_plan
from harness.runs.prepare import Prepared, prepare
from harness.runs.probing import names_of_run, probe_run, probes_for
from harness.runs.requests import populations_of
from harness.runs.retraining import find_limit, remeasuring
from harness.runs.run_models import unlearn_all
from harness.runs.runner_choice import RunnerFactory, choose_runners
from harness.runs.store import RunStore, default_run_folder
from harness.runs.unjudged import begun_report, filled
from harness.runs.unlearning_setup import UnlearningSetup
from harness.runs.worst_examples import Pictures, examples_record
from harness.tasks.task import Request, Task
from harness.tasks.twins import find_twins, twin_warnings
from reference_models.networks.recipe import to_json

MIN_FREE_MIB = 200  # with less, a run would fail half-way


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        report: the run's report.
        folder: the folder of ``report.json`` and ``report.html``.
    """

    report: Report
    folder: Path


@dataclass(frozen=True)
class RunInputs:
    """The inputs of a run, after all checks that are possible before long work."""

    config: RunConfig
    task: Task
    evaluators: Sequence[LoadedEvaluator]
    broken: Sequence[BrokenPlugin]
    runners: RunnerFactory
    core_sets: tuple[CoreSet, ...] = (CoreSet(),)
    probes: tuple[Probe, ...] = ()


def run(config: RunConfig, progress: Progress, task: Task | None = None) -> RunResult:
    """Run a plugin on a task and write the report.

    Args:
        config: the user's options.
        progress: shows progress and notices.
        task: the task, for a request of a stream; None for that in ``config``.

    Raises:
        HarnessError: a user error or a broken engine; failures of the plugin are in the report instead.
    """
    config = config.with_absolute_paths()
    task = task or find_task(config.task)
    if task.deletions and task.request is None:
        raise UsageError(
            f"{task.name} is a stream of {task.deletions} requests, each of which is a run: use the command `harness run`, "
            "and read its summary.json."
        )
    plan = _check(config, progress, task, begun=False)
    folder = Path(config.output) if config.output else default_run_folder(config.plugin, plan.task.name)
    store = RunStore.create(folder, replace=config.force)
    begun = {"format": 1, "config": config.to_json(), "run_id": uuid.uuid4().hex[:12], "created": utc_now()}
    if (kept := task_to_keep(plan.task, folder)) is not None:
        begun["task"] = kept
    with _given_back(store):
        store.write_run(begun)
        return _stoppable(plan, store, begun, progress, new=True)


@contextmanager
def _given_back(store: RunStore) -> Iterator[None]:
    """Context manager: delete the run folder if the block raises before any model was begun."""
    try:
        yield
    except BaseException:
        store.give_back()
        raise


def resume(
    folder: Path,
    progress: Progress,
    workers: int | None = None,
    failed_as: FailedAs | None = None,
    *,
    keep_going: bool = False,
) -> RunResult:
    """Continue an interrupted run without repeating models that have ended.

    Args:
        folder: the run's folder.
        progress: receives progress messages.
        workers: new number of workers, each with as many cores as before; None for no change.
        failed_as: how failed models count from now on; None for no change.
        keep_going: run all models from now on, even if the first ones failed alike; False for no change.

    Raises:
        RunNotFoundError: the folder contains no run.
        ResumeMismatchError: an input of the result has changed since the start.
    """
    store = RunStore.open(folder)
    begun = store.read_run()
    config = RunConfig.from_json(begun["config"])
    if workers is not None:
        config = replace(config, workers=workers, cpus=begun.get("identity", {}).get("cores", config.cpus))
    if failed_as is not None:
        config = replace(config, failed_as=failed_as)
    if keep_going:
        config = replace(config, keep_going=True)
    begun["config"] = config.to_json()  # stored once the run's lock is acquired
    task = kept_task(begun, config, folder)
    if edited(task, config):
        progress.notice(f"{config.task} has changed since the start; the run continues with the original task.")
    plan = _check(config, progress, task, begun=True)
    return _stoppable(plan, store, begun, progress)


def _check(config: RunConfig, progress: Progress, task: Task, *, begun: bool) -> RunInputs:
    """Check everything that can be checked before long work.

    Args:
        config: the user's options.
        progress: receives notices about excluded evaluators.
        task: of the run.
        begun: the run is resumed, so that missing evaluators are ignored.
    """
    if config.engine == "local":
        core_sets = plan_core_sets(config, hardware.usable_cores(), hardware.memory_mib(), gpus_to_share(config))
    else:
        core_sets = (CoreSet(),) * config.workers  # each node plans its own
    limit_in_force_s()
    evaluators, broken = choose_evaluators(names_of_run(config, task), without_missing=begun)
    probes = probes_for(evaluators)
    runners = choose_runners(config, progress)
    for plugin in broken:
        progress.notice(f"An evaluator is excluded: {plugin.reason}")
    return RunInputs(config, task, evaluators, broken, runners, core_sets, probes)


def _stoppable(
    plan: RunInputs, store: RunStore, begun: Mapping[str, Any], progress: Progress, *, new: bool = False
) -> RunResult:
    if free_mib(store.folder) < MIN_FREE_MIB:
        raise NoSpaceError(
            f"Only {free_mib(store.folder)} MiB are free on the disk of {store.folder}; a run needs {MIN_FREE_MIB}. "
            "Free some space, or choose another folder with --output."
        )
    try:
        with store.held():
            store.write_run(begun)
            with engine_of(plan.config, progress) as engine:
                return _Job(plan, store, dict(begun), progress, engine).finish()
    except KeyboardInterrupt:
        raise InterruptedRunError(f"Stopped. {_how_to_go_on(store, plan.task.request, new=new)}") from None
    except (SandboxError, NoSpaceError) as error:
        raise type(error)(f"{error}\n{_how_to_go_on(store, plan.task.request, new=new)}") from error


def _how_to_go_on(store: RunStore, request: Request | None, *, new: bool) -> str:
    if new and not store.begun() and (request is None or request.number == 1):
        return (
            "No model was begun, so no run folder is left; trained reference models are cached. Run the command again."
        )
    folder = store.folder if request is None else store.folder.parent  # a request alone is not the whole stream
    return f"Finished models are stored in {folder}; continue with: harness resume {folder}"


class _Job:
    """A run in progress: its phases in order."""

    def __init__(
        self, plan: RunInputs, store: RunStore, begun: dict[str, Any], progress: Progress, engine: Engine
    ) -> None:
        self.engine = engine
        self.plan, self.store, self.begun, self.progress = plan, store, begun, progress
        self.config, self.task = plan.config, plan.task
        self.models = plan.config.models or plan.task.models
        self.phases = Phases(dict(begun.get("phases", {})), self._keep_phases)

    def _keep_phases(self, seconds: Mapping[str, float]) -> None:
        self.begun["phases"] = dict(seconds)
        self.store.write_run(self.begun)

    def _keep_remeasured(self, seconds: float) -> None:
        self.begun.setdefault("remeasured_s", []).append(seconds)
        self.store.write_run(self.begun)

    def finish(self) -> RunResult:
        """Run the remaining phases and write the report."""
        with self._phase("prepare"):
            runners, run_id = self.plan.runners, self.begun["run_id"]
            engine = self.engine
            found = prepare(
                self.config,
                self.task,
                runners,
                run_id,
                self.progress,
                self.plan.core_sets,
                engine.trainers,
                engine.machine_cores,
            )
            data, references = found.data, found.references
            twins = find_twins(data)
            doubled = twin_warnings(twins, data.sizes())
            for text in doubled:
                self.progress.notice(text)
            self._same_as_before(found)
            references.check_journals(self.models, found.runner.facts.requested.memory_mib)
            queries = references.query_pictures()
            network = untrained(references)
            work = Work.of(self.config, references, found.runner.facts.name)
            plan = make_plan(self.config, self.task, references, work, network, self.plan.probes)
            plan.check()
            self._tell(plan)
            if found.own_network or found.facts.origin != "bundled":
                check_in_guest(UnlearningSetup.of(found, network, queries))
        history = History()
        with self._phase("references") as spent:
            populations = populations_of(references, self.models, self.progress, self.store.folder)
        if plan.to_train:
            history.add("train", work.training, spent() / plan.to_train)
        setup = UnlearningSetup.of(found, populations["original"], queries, probes=bool(self.plan.probes))
        with self._phase("budget") as spent:
            equip = self._equipment(found)
            crew, retrain_with = self.engine.crew(setup, equip), partial(equip, "retrain")
            limit = self._limit(setup, retrain_with, crew)
        if limit.retrain_min_s is not None:
            history.add("retraining", work.retraining, limit.retrain_min_s)
            if not limit.from_cache:
                history.add("measure", work.retraining, spent())
        origins = [text for population in populations.values() for text in population.origins]
        broken = [left_out(plugin.reason) for plugin in self.plan.broken]
        warnings = [*self.plan.runners.notices, *doubled, *origins, *broken]
        report = begun_report(self.begun, found, twins, populations, limit, warnings)
        self.store.write_begun(report_text(report))  # before the first model, for `harness evaluate`
        before = len(self.store.finished())
        with self._phase("unlearn") as spent:
            keep = self._keep_remeasured
            between = remeasuring(setup, limit, retrain_with, self.progress, keep)
            outcomes = unlearn_all(setup, limit, self.store, self.progress, crew, between)
        finished = any(outcome.status.finished for outcome in outcomes)
        if finished and len(outcomes) > before:
            for inputs in (work.unlearning, work.unlearning_with):
                history.add("unlearn", inputs, spent() / (len(outcomes) - before))
        with self._phase("evaluate") as spent:
            evidence, records = self._evaluate(found, populations, limit, outcomes)
        if finished:
            history.add("score", work.scoring, spent() / self.models)
        return self._report(found, limit, outcomes, report, evidence, records)

    def _tell(self, plan: Plan) -> None:
        """Tell the user what a new run will do, if it is long, and which verdicts are out of reach."""
        if self.store.begun():
            return
        if plan.is_long:
            self.progress.notice(plan.sentence())
        if notice := plan.verdict_notice():
            self.progress.notice(notice)

    @contextmanager
    def _phase(self, name: str) -> Iterator[Callable[[], float]]:
        """Time a phase that uses the cache, and report damaged cache entries after it; yield a function of its seconds so far."""
        began = time.monotonic()
        try:
            with self.phases(name):
                yield lambda: time.monotonic() - began
        finally:
            for text in take_rebuilt():
                self.progress.notice(text)

    def _equipment(self, found: Prepared) -> Callable[[Method], Equipment]:
        """Return what prepares a method's runner, once; that of ``retrain`` only when it is needed."""

        @cache
        def equip(method: Method) -> Equipment:
            if method == "plugin":
                return Equipment(found.runner, found.facts, self.config.options)
            return Equipment(*self.plan.runners.retrain_runner(), {})

        return equip

    def _limit(self, setup: UnlearningSetup, retrain_with: Callable[[], Equipment], crew: Crew) -> Limit:
        """Return the limit, stored with the run so that it survives an interruption and a cleared cache."""
        kept = self.begun.get("limit")
        if kept is not None:
            return Limit.from_json(kept)
        limit = find_limit(setup, retrain_with, crew, self.progress)
        self.begun["limit"] = asdict(limit)
        self.store.write_run(self.begun)
        return limit

    def _same_as_before(self, found: Prepared) -> None:
        """Record the inputs of the result; on resuming, raise if they have changed."""
        identity = {
            "task": key_of(self.task.definition),
            "data": found.references.data_digest,
            "recipe": to_json(self.task.recipe),
            "plugin": found.facts.digest,
            "runner": found.runner.facts.name,
            "image": found.runner.facts.image,
            "code": training_code_digest(),
            "queries": found.references.queries.to_json(),
            "torch": library_versions()["torch"],
            "cores": found.cores,
            "device": [device_kind(found.device), hardware.cpu_model()],
        }
        network = found.references.task.architecture
        if found.own_network:
            identity["network"] = [network.digest, *network.init]
        before = self.begun.get("identity")
        if before is None:
            self.begun["identity"] = identity
            self.store.write_run(self.begun)
            return
        changed = sorted(name for name in identity if key_of({"": identity[name]}) != key_of({"": before.get(name)}))
        if changed:
            raise ResumeMismatchError(
                f"{self.store.folder} cannot be resumed because these inputs changed: {', '.join(changed)}. Its models would not "
                "be comparable. Undo the change, or start a new run."
            )

    def _evaluate(
        self,
        found: Prepared,
        populations: Mapping[str, Population],
        limit: Limit,
        outcomes: list[ModelOutcome],
    ) -> tuple[Evidence, Sequence[EvaluatorRecord]]:
        config, store = self.config, self.store
        probed = probe_run(
            self.plan.probes, found.references, self.models, outcomes, store, config.failed_as, self.progress
        )
        if not config.keep_weights:
            store.drop_weights()
        evidence = run_evidence(
            self.task,
            found.references.data,
            populations,
            limit,
            outcomes,
            store,
            config.design,
            config.failed_as,
            probed,
        )
        finished = len(evidence.unlearned_from)
        return evidence, evaluate(self.plan.evaluators, evidence, self.progress) if finished else ()

    def _report(
        self,
        found: Prepared,
        limit: Limit,
        outcomes: list[ModelOutcome],
        report: Report,
        evidence: Evidence,
        records: Sequence[EvaluatorRecord],
    ) -> RunResult:
        config, task = self.config, self.task
        report = filled(report, self.begun, config, limit, outcomes, found.cores)
        changes = {
            "runner": RunnerRecord.from_facts(found.runner.facts, config.isolation),  # complete after the first guest
            "examples": examples_record(evidence, records, Pictures.of(task, found.data)),
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.seconds.items()},
        }
        report = assemble(report, records, task.margins, config.failed_as, report.warnings, changes)
        write_report(report, self.store.folder)
        write_page(report, self.store.folder)
        return RunResult(report, self.store.folder)

"""Scoring of outputs that others computed: a report like that of a run, without plugin, sandbox or times."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness._version import __version__
from harness.core import hardware
from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import Progress
from harness.evaluation import SPLITS, Evidence
from harness.plugins.discovery import choose_evaluators, library_versions
from harness.report.document import (
    ArchitectureRecord,
    BudgetRecord,
    DesignRecord,
    PluginRecord,
    PopulationRecord,
    PopulationsRecord,
    Report,
    RunnerRecord,
    SeedsRecord,
    TaskRecord,
    run_status,
    utc_now,
)
from harness.report.page import write_page
from harness.report.records import SUPPLIED
from harness.report.verdict import decide_verdict
from harness.report.writing import write_report
from harness.runners.base import Limits
from harness.runs.assemble import assemble, left_out
from harness.runs.evaluators import digest, evaluate
from harness.runs.outputs import Arrays, evidence_of, no_times, read_outputs
from harness.runs.pipeline import RunResult
from harness.runs.store import default_run_folder, new_folder
from harness.runs.worst_examples import examples_record
from harness.tasks.task import Margins

NOT_RUN = "Outputs supplied; not run here; no time measured."
FEWEST_NAMED = {
    "control": "There are no control models, so no metric shows what perfect unlearning would score.",
    "original": "There are no original models, so no metric shows what doing nothing would score.",
}
NAME, TASK = "outputs", "supplied"


def score(
    outputs: Path | Arrays,
    folder: Path | None,
    names: Sequence[str],
    progress: Progress,
    *,
    method: str | None = None,
    task: str | None = None,
) -> RunResult:
    """Evaluate supplied outputs and write their report and page.

    Args:
        outputs: an ``.npz`` file, a folder of ``.npy`` files, or the arrays themselves; see :mod:`harness.runs.outputs`.
        folder: where the report is written, new or empty; None for ``runs/TIME-METHOD-TASK``.
        names: evaluators; empty for all installed ones.
        progress: shows progress and notices.
        method: name of the method; None for the file's name.
        task: name of the task.

    Raises:
        OutputsInvalidError: the outputs cannot be read, or do not fit together.
        EvaluatorError: an evaluator in ``names`` does not exist.
        OutputUnwritableError, NoSpaceError: the folder has content, or cannot be written.
    """
    evaluators, broken = choose_evaluators(names)
    for plugin in broken:
        progress.notice(f"An evaluator is excluded: {plugin.reason}")
    where = "" if isinstance(outputs, Mapping) else str(outputs)
    evidence = evidence_of(outputs) if isinstance(outputs, Mapping) else read_outputs(outputs)
    method, task = method or Path(where).stem or NAME, task or TASK
    folder = new_folder(folder or default_run_folder(method, task))
    created = utc_now()
    report = _unscored(evidence, method, task, where, created)
    records = evaluate(evaluators, evidence, progress)
    warnings = [NOT_RUN, *(text for name, text in FEWEST_NAMED.items() if not len(evidence.logits[name]["forget"]))]
    if evidence.phi_only and (unmet := [one.info.name for one in evaluators if one.info.needs != "phi"]):
        warnings.append(f"Only phi was supplied; not computed, since they need logits: {', '.join(unmet)}.")
    warnings += [left_out(plugin.reason) for plugin in broken]
    changes = {"finished": utc_now(), "examples": examples_record(evidence, records)}
    report = assemble(report, records, Margins(), "missing", warnings, changes)
    write_report(report, folder)
    write_page(report, folder)
    return RunResult(report, folder)


def _unscored(evidence: Evidence, method: str, task: str, where: str, created: str) -> Report:
    """Return the report before evaluation; everything that only a run knows says so or is empty."""
    models = tuple(
        ModelOutcome(index, 0, Status.OK, original=int(original))
        for index, original in enumerate(evidence.unlearned_from)
    )
    originals = len(np.unique(evidence.unlearned_from))
    sizes = {name: len(by_split["forget"]) for name, by_split in evidence.logits.items()}
    nothing = Limits(**dict.fromkeys(("memory_mib", "pids", "cpus", "tmpfs_mib", "shm_mib")), log_bytes=0)
    return Report(
        harness_version=__version__,
        run_id=uuid.uuid4().hex[:12],
        created=created,
        status=run_status(models),
        verdict=decide_verdict((), ()),
        task=TaskRecord(
            name=task,
            description="Outputs of models that were trained elsewhere.",
            data_digest=_data_digest(evidence),
            split_sizes={split: len(evidence.labels[split]) for split in SPLITS if split in evidence.labels},
            class_names=evidence.class_names,
            source=where,
        ),
        architecture=ArchitectureRecord(name="unknown"),
        recipe={},
        plugin=PluginRecord(
            name=method,
            value="",
            distribution="outputs",
            version="supplied",
            origin=SUPPLIED,
            location=where,
            digest=_digest_of(evidence, "unlearned"),
        ),
        runner=RunnerRecord(name="none", isolation=f"none: {NOT_RUN}", requested=nothing, isolation_level="run"),
        hardware=hardware.describe(),
        libraries=library_versions(),
        seeds=SeedsRecord(run=0, references=evidence.seed),
        design=DesignRecord(name=evidence.design, originals=originals, repeats=max(1, len(models) // originals)),
        budget=BudgetRecord(limit_s=None, how="explicit", charged=NOT_RUN),
        populations=PopulationsRecord(
            **{
                name: PopulationRecord(size=size, cache_key=_digest_of(evidence, name) if size else None)
                for name, size in sizes.items()
            },
            failed_models=0,
        ),
        models=models,
        evaluators=(),
    )


def _digest_of(evidence: Evidence, population: str) -> str:
    """Return the SHA-256 of one population's outputs: methods are compared only against the same reference models."""
    outputs = {population: evidence.logits[population]}
    queries = {query: {population: by[population]} for query, by in evidence.queries.items() if population in by}
    rows = evidence.unlearned_from if population == "unlearned" else evidence.unlearned_from[:0]
    return digest(replace(evidence, logits=outputs, queries=queries, unlearned_from=rows, timings=no_times(0))).hex()


def _data_digest(evidence: Evidence) -> str:
    """Return the SHA-256 of ids, labels, classes and seed, which tells two tasks apart."""
    no_models = evidence.unlearned_from[:0]
    bare = replace(evidence, logits={}, queries={}, unlearned_from=no_models, timings=no_times(0), phi_only=False)
    return digest(bare).hex()

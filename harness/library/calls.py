"""The commands as functions: each returns a report or raises a :class:`harness.errors.HarnessError`.

Nothing here prints to standard output or exits the process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, RunNotFoundError, UsageError
from harness.library.showing import ShownProgress, shown

from .result import RunReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.choices import Adapter, Engine, FailedAs, Isolation
    from harness.evaluation import Clock, Design

PathLike = str | os.PathLike[str]
_log = logging.getLogger("harness")


def run(
    plugin: PathLike,
    task: PathLike = "faces",
    *,
    adapter: Adapter = "auto",
    require: PathLike | None = None,
    runner: str = "auto",
    output: PathLike | None = None,
    models: int | None = None,
    repeats: int = 1,
    design: Design = "per-original",
    seed: int = 0,
    time_limit_s: float | None = None,
    budget_fraction: float | None = None,
    clock: Clock = "wall",
    no_wait: bool = False,
    failed_as: FailedAs = "missing",
    evaluators: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    isolation: Isolation = "run",
    gpus: str = "auto",
    runtime: str | None = None,
    torch: str | None = None,
    base: str | None = None,
    cpus: int | None = None,
    memory_mib: int = 8192,
    engine: Engine = "local",
    address: str | None = None,
    mixed_nodes: bool = False,
    insecure_cluster: bool = False,
    keep_weights: bool = False,
    settings_tried: int | None = None,
    keep_going: bool = False,
    force: bool = False,
    workers: int = 1,
    tags: Sequence[str] = (),
    note: str = "",
    progress: ShownProgress = "auto",
) -> RunReport:
    """Run an unlearning plugin on a task and report, as ``harness run`` does; the report's ``folder`` is the run folder.

    A failure of the plugin is not an error: the report has the models' statuses, and ``report.status`` is "failed" if no model
    was returned.

    Args:
        plugin: entry-point name, path of a wheel or source directory, or name==version; or path of a ``.py`` file or
            notebook, with ``:FUNCTION`` to choose one of its functions.
        task: registered name, or path of a YAML file.
        adapter: how to call the function of a ``.py`` file or notebook: "hook", "kit" or "challenge"; "auto" chooses by its
            signature.
        require: requirements file with packages to add to the sandbox for this plugin.
        runner: "auto" uses Docker if it is available; "process" gives no isolation; or the name of another installed runner.
        output: run folder; None for ``runs/TIME-PLUGIN-TASK`` under the working directory.
        models: models per population; None for the task's own number.
        repeats: how often each original is unlearned, with different seeds of the method.
        design: "per-original" unlearns as many originals as there are models; "one-original" unlearns the first one repeatedly.
        seed: of the unlearning runs; the reference populations use the task's.
        time_limit_s: limit per model, in the unit of ``clock``; None to measure it.
        budget_fraction: limit as a fraction of retraining; None for the task's own.
        clock: unit of the limit: "wall" (seconds), "cpu" (CPU seconds of the sandbox) or "steps" (examples drawn).
        no_wait: measure retraining immediately, even if the machine is busy; by default the run waits until it is idle.
        failed_as: "missing" leaves failed models out of all numbers; "noop" counts each as its original.
        evaluators: names, ``default`` or ``all``; empty for the default ones.
        options: passed to the plugin; JSON values.
        isolation: "run" forks models from one guest, "model" starts a guest for each.
        gpus: "auto", "none", "all", a number, or comma-separated UUIDs.
        runtime: OCI runtime of the containers; None for the engine's default.
        torch: version inside the image; None for the host's.
        base: base image; None to choose automatically.
        cpus: cores of a guest; None for all that this process may use, divided evenly among workers.
        memory_mib: of a guest, MiB.
        engine: "local" works on this machine, "ray" on the nodes of a Ray cluster, each with as many ``workers``.
        address: "HOST:PORT" of the cluster's head; None for $RAY_ADDRESS, or that of this machine.
        mixed_nodes: use nodes of all kinds, not of the commonest alone; needs a limit that is not measured.
        insecure_cluster: accept a cluster without token authentication, on which anybody who reaches it can run code.
        keep_weights: keep every model's unlearned weights in the run folder.
        settings_tried: how many settings of the method were tried to choose ``options``, for the report; None if unknown.
        keep_going: run all models, even if the first three fail alike; by default the run stops then, with a report.
        force: replace the run that ``output`` contains.
        workers: models unlearned at the same time, each in its own guest on its own cores and GPUs.
        tags: words to find the run by, see ``harness ls``.
        note: a sentence about the run.
        progress: "auto" shows bars in a notebook, and on standard error if that is a terminal; "rich" draws on standard error
            like the command line; None shows nothing and sends notices to the logger "harness", as does "auto" in any other
            place; or an implementation of :class:`harness.core.progress.Progress`.

    Raises:
        HarnessError: an invalid argument or a broken engine; the subclass names the cause.
        InterruptedRunError: Ctrl-C or a notebook's interrupt after the run folder was created; the message names the folder, for
            :func:`resume`. Before that, KeyboardInterrupt is raised unchanged.
    """
    options = dict(options or {})
    chosen = {name: value for name, value in locals().items() if name != "progress"}
    return _run(chosen, progress)


def _run(options: dict[str, Any], progress: ShownProgress) -> RunReport:
    from harness.runs import pipeline
    from harness.runs.config import RunConfig

    for name in ("plugin", "task", "output", "require"):
        options[name] = options[name] if options[name] is None else os.fspath(options[name])
    if "," in (options["torch"] or ""):
        raise UsageError("harness.run takes one version of torch: call it once for each.")
    config = RunConfig(**{**options, **{name: names_given(options[name], name) for name in ("evaluators", "tags")}})
    with shown(progress) as drawn:
        result = pipeline.run(config, drawn)
    return RunReport.of(result.report, result.folder)


def resume(
    folder: PathLike,
    *,
    workers: int | None = None,
    failed_as: FailedAs | None = None,
    keep_going: bool = False,
    progress: ShownProgress = "auto",
) -> RunReport:
    """Continue an interrupted run, as ``harness resume`` does; finished models are not repeated.

    Args:
        folder: of the run.
        workers: models at the same time from now on, each with as many cores as before; None for as many as before.
        failed_as: see :func:`run`; None for the run's own.
        keep_going: run all models from now on, although the first three failed alike; False for the run's own.
        progress: see :func:`run`.

    Raises:
        HarnessError: see :func:`run`; RunNotFoundError: no run there; ResumeMismatchError: an input of the result has changed.
    """
    from harness.runs import pipeline

    with shown(progress) as drawn:
        result = pipeline.resume(Path(folder), drawn, workers, failed_as, keep_going=keep_going)
    return RunReport.of(result.report, result.folder)


def evaluate(
    folder: PathLike,
    evaluators: Sequence[str] = (),
    *,
    failed_as: FailedAs | None = None,
    progress: ShownProgress = "auto",
) -> RunReport:
    """Evaluate a run again, as ``harness evaluate`` does, without unlearning; of an interrupted run, the finished models.

    Args:
        folder: of the run; its report and page are rewritten.
        evaluators: names, ``default`` or ``all``; empty for the default ones. Records of others are kept.
        failed_as: see :func:`run`; None for the run's own. A change needs all evaluators.
        progress: see :func:`run`.

    Raises:
        RunNotFoundError: no run there, or none with a finished model.
        ResumeMismatchError: the task's data or the reference models differ from those of the run.
        EvaluatorError: a requested evaluator does not exist.
    """
    from harness.runs.rescoring import rejudge

    with shown(progress) as drawn:
        result = rejudge(Path(folder), names_given(evaluators, "evaluators"), drawn, failed_as)
    return RunReport.of(result.report, result.folder)


def score(
    outputs: PathLike | Mapping[str, NDArray[Any]],
    *,
    output: PathLike | None = None,
    name: str | None = None,
    task: str | None = None,
    evaluators: Sequence[str] = (),
    progress: ShownProgress = "auto",
) -> RunReport:
    """Evaluate outputs that were computed elsewhere, as ``harness score`` does.

    Args:
        outputs: an ``.npz`` file, a folder of ``.npy`` files, or the arrays by name; :mod:`harness.runs.outputs` has the names.
        output: new or empty folder for the report; None for ``runs/TIME-NAME-TASK`` under the working directory.
        name: of the method, for the report; None for the file's name.
        task: name of the task, for the report.
        evaluators: names, ``default`` or ``all``; empty for the default ones.
        progress: see :func:`run`.

    Raises:
        OutputsInvalidError: the outputs cannot be read, or do not fit together.
        HarnessError: see :func:`evaluate`.
    """
    from harness.runs import score_outputs

    given = outputs if isinstance(outputs, Mapping) else Path(outputs)
    folder = None if output is None else Path(output)
    with shown(progress) as drawn:
        chosen = names_given(evaluators, "evaluators")
        result = score_outputs.score(given, folder, chosen, drawn, method=name, task=task)
    return RunReport.of(result.report, result.folder)


def outputs(
    folder: PathLike, path: PathLike | None = None, *, progress: ShownProgress = "auto"
) -> dict[str, NDArray[Any]]:
    """Return the outputs of a run's models as arrays that :func:`score` takes, as ``harness outputs`` writes them.

    Args:
        folder: of the run.
        path: where to write them too, an ``.npz`` file or a new folder; None to write nothing.
        progress: see :func:`run`.

    Raises:
        RunNotFoundError: no run there, or none with a finished model.
        ResumeMismatchError: the task's data or the reference models differ from those of the run.
        OutputUnwritableError: ``path`` exists, or cannot be written.
    """
    from harness.runs.outputs import arrays_of, write_outputs
    from harness.runs.rescoring import outputs_of

    with shown(progress) as drawn:
        evidence = outputs_of(Path(folder), drawn)
    if path is not None:
        write_outputs(evidence, Path(path))
    return arrays_of(evidence)


def load_report(path: PathLike) -> RunReport:
    """Read a report.

    Args:
        path: a run folder, or a report's file; ``folder`` is set if the file is named ``report.json``.

    Raises:
        RunNotFoundError: there is none.
        ReportInvalidError: it is not a report of this schema version.
    """
    from harness.report import writing

    place = Path(path)
    report = writing.load_report(place)
    if place.is_dir():
        return RunReport.of(report, place)
    return RunReport.of(report, place.parent if place.name == writing.REPORT_NAME else None)


def load_reports(folder: PathLike, *, strict: bool = False) -> list[RunReport]:
    """Read all reports under a folder, e.g. ``runs``, at any depth, sorted by the start of their runs.

    A file that is not a report is skipped, and named with the reason on the logger "harness". Hidden folders, sites of
    leaderboards and links to folders are left out.

    Args:
        folder: searched at any depth.
        strict: raise an error for the first file that is not a report.

    Raises:
        RunNotFoundError: there is no readable report; the message has the reasons.
        ReportInvalidError: only if ``strict``: a file is not a report of this schema version; the message names it.
    """
    from harness.runs.folders import report_files

    found, bad = [], []
    for file in report_files(Path(folder)):
        try:
            found.append(load_report(file))
        except HarnessError as error:
            if strict:
                raise
            bad.append(str(error))
    if not found:
        reasons = "".join(f"\n{text}" for text in bad)
        raise RunNotFoundError(
            f"There is no readable report.json under {folder}. Pass the folder that contains run folders.{reasons}"
        )
    for text in bad:
        _log.warning("Skipped: %s", text)
    return sorted(found, key=lambda report: (report.created, report.run_id))


def export(report: RunReport | PathLike, *exporters: str) -> list[str]:
    """Pass a finished run to installed exporters, as ``harness export`` does.

    Args:
        report: with its folder, or a run folder.
        exporters: their names, at least one.

    Returns:
        The exporters' messages on where the run is.

    Raises:
        PluginNotFoundError, DuplicatePluginError, PluginLoadError: an exporter is unusable; none was called.
        ExportError: one or more failed, after all were called; the traceback is in ``export-NAME.log`` in the run folder.
    """
    from harness.plugins.exporters import choose_exporters, export_run

    chosen = choose_exporters(names_given(exporters, "exporters"))
    if not chosen:
        raise UsageError("Name at least one exporter; `harness exporters` lists the installed ones.")
    given = report if isinstance(report, RunReport) else load_report(report)
    if given.folder is None:
        raise UsageError("This report's run folder is unknown: pass the folder, or a report loaded from it.")
    return export_run(given, given.folder, chosen)


def names_given(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the names; raise UsageError if they are one text instead of a list."""
    if isinstance(names, str):
        raise UsageError(f"{what} must be a list of names, not the text {names!r}: write [{names!r}].")
    return tuple(names)

"""Hooks of the trusted plugin groups, called on the host.

The unlearners' hook, which is called inside the sandbox, is in :mod:`harness_guest.hookspecs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.evaluation import hookspec

if TYPE_CHECKING:
    from pathlib import Path

    from harness.evaluation import EvaluatorInfo
    from harness.library.result import RunReport
    from harness.runners.provider import RunnerProvider
    from harness.tasks.task import Task


@hookspec(firstresult=True)
def harness_evaluator() -> EvaluatorInfo:  # type: ignore[empty-body]
    """Return the description of an evaluator; group ``harness.evaluators``.

    The hook is called on the host, once per command that needs evaluators. It returns a frozen
    :class:`harness.evaluation.EvaluatorInfo` with the entry point's name as its ``name``. An exception is reported with the
    distribution's name and version, and the evaluator is skipped.
    """


@hookspec
def harness_tasks() -> Iterable[Task]:  # type: ignore[empty-body]
    """Yield tasks; group ``harness.tasks``.

    The hook is called on the host, once per command that needs tasks. Each task is a :class:`harness.tasks.task.Task`, usually
    loaded with :func:`harness.tasks.loading.load_task` from a YAML file in the plugin. Two tasks of the same name are an error
    that names both distributions.
    """


@hookspec
def harness_run_finished(report: RunReport, run_dir: Path) -> str | None:
    """Export a finished run, e.g. to an experiment tracker; group ``harness.exporters``.

    The hook is called on the host, in the harness's own process, after ``report.json`` and ``report.html`` are written. An
    exporter is trusted code. Installing it exports nothing: it is imported and called only if the user names its entry point,
    with ``harness run --export NAME``, ``harness export RUN --to NAME`` or :func:`harness.export`. Exporters should overwrite
    earlier exports of the same run, since a run may be exported again, e.g. after ``harness evaluate``.

    Args:
        report: the run's report, frozen: a :class:`harness.RunReport` with all fields of the report's schema.
        run_dir: the run folder with ``report.json`` and ``report.html``; the exporter must not write into it.

    Returns:
        A sentence for the user that names the place of the exported run; or None.

    An exception does not affect the run: its traceback is written to ``export-NAME.log`` in the run folder, the other exporters
    are still called, and the command exits with the code of :class:`harness.errors.ExportError`.
    """


@hookspec(firstresult=True)
def harness_runner() -> RunnerProvider:  # type: ignore[empty-body]
    """Return the provider of a runner; group ``harness.runners``.

    The hook is called on the host when the user names the entry point with ``--runner NAME``, and by ``harness reap``. It returns
    a :class:`harness.runners.provider.RunnerProvider` whose ``name`` is the entry point's. A runner is trusted code: it starts
    the guests and must contain them. ``harness check-runner NAME`` tests a runner against its contract and, if it says that it
    isolates, against all hostile plugins. An exception is reported with the distribution's name and version, and ends the
    command.
    """

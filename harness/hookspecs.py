"""Hooks of the trusted plugin groups, called on the host.

The unlearners' hook is not here: it is called inside the sandbox, see :mod:`harness_guest.hookspecs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.evaluation import hookspec

if TYPE_CHECKING:
    from pathlib import Path

    from harness.evaluation import EvaluatorInfo
    from harness.library.result import RunReport
    from harness.tasks.model import Task


@hookspec(firstresult=True)
def harness_evaluator() -> EvaluatorInfo:  # type: ignore[empty-body]
    """Describe one evaluator; group ``harness.evaluators``.

    Called on the host once per command that needs evaluators. Returns a frozen :class:`harness.evaluation.EvaluatorInfo`
    whose ``name`` equals the entry point's. An exception is reported with the distribution's name and version and leaves
    the other evaluators in place.
    """


@hookspec
def harness_tasks() -> Iterable[Task]:  # type: ignore[empty-body]
    """Yield tasks; group ``harness.tasks``.

    Called on the host once per command that needs tasks. Each task is a :class:`harness.tasks.model.Task`, most easily made
    with :func:`harness.tasks.loading.load_task` from a YAML file shipped in the plugin. Two tasks of one name are an error
    that names both distributions.
    """


@hookspec
def harness_run_finished(report: RunReport, run_dir: Path) -> str | None:
    """Hand a finished run to somewhere else, an experiment tracker say; group ``harness.exporters``.

    Called on the host, in the harness's own process, after ``report.json`` and ``report.html`` are written: an exporter is
    trusted code that the user has installed. Installing it sends nothing: it is imported and called only where the user
    names its entry point, with ``harness run --export NAME``, ``harness export RUN --to NAME`` or :func:`harness.export`. A
    run may be exported more than once, after ``harness evaluate`` say, and should then replace what it left there before.

    Args:
        report: the run's report, frozen: a :class:`harness.RunReport` with all fields of the report's schema.
        run_dir: the run folder with ``report.json`` and ``report.html``. An exporter reads it and writes nothing into it.

    Returns:
        A sentence that says where the run is to be found now, shown to the user; or None.

    An exception never harms the run: its traceback goes into ``export-NAME.log`` in the run folder, other exporters are
    called all the same, and the command ends with the exit code of :class:`harness.errors.ExportError`.
    """

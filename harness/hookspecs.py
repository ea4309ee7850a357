"""Hooks of the trusted plugin groups, called on the host.

The unlearners' hook is not here: it is called inside the sandbox, see :mod:`harness_guest.hookspecs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.evaluation import hookspec

if TYPE_CHECKING:
    from harness.evaluation import EvaluatorInfo
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

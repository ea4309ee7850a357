"""Every error that ends the program, each with an exit code of its own.

A submission's failure is not here: it is a value in the report (:mod:`harness.outcomes`). What is here is a user's
mistake or a broken engine. All are defined in this one file so that a test can hold the exit codes apart. A message says
what happened and what to do next; the CLI prints it without a traceback.
"""

from __future__ import annotations

from typing import ClassVar


class HarnessError(Exception):
    """The base of all errors that the CLI turns into a message and an exit code."""

    exit_code: ClassVar[int] = 1


class UsageError(HarnessError):
    """Options that contradict each other or a value out of range; click uses the same code."""

    exit_code = 2


class PluginNotFoundError(HarnessError):
    """No plugin of that name is installed, and no wheel or source directory stands at that path."""

    exit_code = 10


class DuplicatePluginError(HarnessError):
    """Two distributions register an entry point of the same name in one group."""

    exit_code = 11


class PluginLoadError(HarnessError):
    """A plugin could not be imported or does not implement its hook: an unlearner inside the sandbox, or a trusted one."""

    exit_code = 12


class PluginPackagingError(HarnessError):
    """A plugin's wheel could not be built, collected or read."""

    exit_code = 13


class PluginNameError(HarnessError):
    """A new plugin cannot have this name: no package or module can, or it is taken."""

    exit_code = 14


class LibraryMissingError(HarnessError, ImportError):
    """A library that only this feature needs is not installed; the message names the command that installs it."""

    exit_code = 15


class TaskNotFoundError(HarnessError):
    """No task of that name is registered and no YAML file stands at that path."""

    exit_code = 20


class TaskInvalidError(HarnessError):
    """A task file has a bad key or value; the message names the line, the key and what is allowed."""

    exit_code = 21


class DatasetMissingError(HarnessError):
    """The data of a task is not on this machine and cannot be fetched; the message says where to put it."""

    exit_code = 22


class DatasetInvalidError(HarnessError):
    """The data of a task is there but cannot be used: an unreadable picture, a label out of range, no such subject."""

    exit_code = 23


class DockerUnavailableError(HarnessError):
    """No Docker engine answers, or this user may not talk to it."""

    exit_code = 30


class ImageBuildError(HarnessError):
    """The sandbox image could not be built: no base image, wheels that cannot be had, a failing build step."""

    exit_code = 31


class SandboxError(HarnessError):
    """The sandbox broke for a reason that is not the plugin's: the engine died, the guest did not start."""

    exit_code = 32


class GpuUnavailableError(HarnessError):
    """A GPU was asked for and the runner cannot give one."""

    exit_code = 33


class RunnerRefusedError(HarnessError):
    """A third party's plugin would run without isolation, and the user did not say that it may."""

    exit_code = 34


class OutputUnwritableError(HarnessError):
    """The run folder cannot be made or written."""

    exit_code = 40


class NoSpaceError(HarnessError):
    """A disk is full, or too full to begin; what was finished is kept."""

    exit_code = 41


class CacheError(HarnessError):
    """The cache directory cannot be used, or an entry stays corrupt after it was rebuilt."""

    exit_code = 42


class RunNotFoundError(HarnessError):
    """The folder given to ``resume`` (or another command on a run) holds no run."""

    exit_code = 43


class ResumeMismatchError(HarnessError):
    """A run cannot go on because what its result depends on has changed since it began."""

    exit_code = 44


class FolderOccupiedError(HarnessError):
    """Where a new plugin's folder was to be made there is something already."""

    exit_code = 45


class SiteOccupiedError(HarnessError):
    """Where a leaderboard's site was to be made there is something that no leaderboard wrote."""

    exit_code = 46


class ReportInvalidError(HarnessError):
    """A report does not agree with its schema: a fault of ours or of an evaluator; nothing is written over."""

    exit_code = 50


class EvaluatorError(HarnessError):
    """An evaluator was asked for by name and cannot be used."""

    exit_code = 51


class BudgetError(HarnessError):
    """The retraining time could not be measured, so that no limit can be set."""

    exit_code = 52


class ExportError(HarnessError):
    """A finished run could not be exported; the run and its report are whole, and the export can be given again."""

    exit_code = 53


class NotComparableError(HarnessError):
    """Runs were to be compared whose numbers do not mean the same thing; the message says why and what to do."""

    exit_code = 54


class BusyMachineError(HarnessError):
    """The machine was not at rest within ten minutes, and retraining is measured at rest only."""

    exit_code = 55


class InterruptedRunError(HarnessError):
    """The user stopped the run (Ctrl-C or a termination signal); the message says how to go on."""

    exit_code = 130

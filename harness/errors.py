"""Errors that end the program, each with a unique exit code.

A submission's failure is not an error but a value in the report (:mod:`harness.core.outcomes`). Errors are users' mistakes and
broken engines. All are defined in this file so that a test can compare the exit codes. A message states what happened and what
to do; the CLI prints it without a traceback.
"""

from __future__ import annotations

from typing import ClassVar


class HarnessError(Exception):
    """Base class of all errors that the CLI converts into a message and an exit code."""

    exit_code: ClassVar[int] = 1


class UsageError(HarnessError):
    """Options contradict each other, or a value is out of range; click uses the same code."""

    exit_code = 2


class PluginNotFoundError(HarnessError):
    """No plugin of that name is installed, there is no file or source directory at that path, or no such function in a file."""

    exit_code = 10


class DuplicatePluginError(HarnessError):
    """Two distributions register entry points of the same name in one group."""

    exit_code = 11


class PluginLoadError(HarnessError):
    """A plugin cannot be imported or does not implement its hook: an unlearner (in the sandbox) or a trusted plugin."""

    exit_code = 12


class PluginPackagingError(HarnessError):
    """A plugin's wheel could not be built, collected or read, or a single file does not determine one function."""

    exit_code = 13


class PluginNameError(HarnessError):
    """The name of a new plugin is not a valid package and module name, or is already in use."""

    exit_code = 14


class LibraryMissingError(HarnessError, ImportError):
    """An optional library that this feature needs is not installed; the message names the command that installs it."""

    exit_code = 15


class TaskNotFoundError(HarnessError):
    """No task of that name is registered, and there is no YAML file at that path."""

    exit_code = 20


class TaskInvalidError(HarnessError):
    """A task file has an invalid key or value; the message names the line, the key and the allowed values."""

    exit_code = 21


class DatasetMissingError(HarnessError):
    """The data of a task is not on this machine and cannot be downloaded; the message names the expected path."""

    exit_code = 22


class DatasetInvalidError(HarnessError):
    """The data of a task is invalid: an unreadable image, a label out of range, an unknown subject."""

    exit_code = 23


class StudyInvalidError(HarnessError):
    """A study has an invalid key or value, or was begun with another definition; the message names the line or what differs."""

    exit_code = 25


class DockerUnavailableError(HarnessError):
    """No Docker engine responds, or this user has no access to it."""

    exit_code = 30


class ImageBuildError(HarnessError):
    """The sandbox image could not be built: no base image, unavailable wheels, or a failed build step."""

    exit_code = 31


class SandboxError(HarnessError):
    """The sandbox failed for a reason other than the plugin: the engine died, or the guest did not start."""

    exit_code = 32


class GpuUnavailableError(HarnessError):
    """A GPU was requested, and the runner cannot provide one."""

    exit_code = 33


class RunnerRefusedError(HarnessError):
    """A third-party plugin would run without isolation, and the user did not allow that."""

    exit_code = 34


class ClusterError(HarnessError):
    """No cluster answers, it would accept anybody's code, or none of its nodes can work for the run; the message says why."""

    exit_code = 36


class OutputUnwritableError(HarnessError):
    """The run folder cannot be created or written."""

    exit_code = 40


class NoSpaceError(HarnessError):
    """A disk is full, or too full to start; finished work is kept."""

    exit_code = 41


class CacheError(HarnessError):
    """The cache directory cannot be used, or an entry is still corrupt after it was rebuilt."""

    exit_code = 42


class RunNotFoundError(HarnessError):
    """The folder given to ``resume`` (or another command on a run) contains no run."""

    exit_code = 43


class ResumeMismatchError(HarnessError):
    """A run cannot be resumed because inputs of its result changed since it started."""

    exit_code = 44


class FolderOccupiedError(HarnessError):
    """The folder for a new plugin already exists and is not empty."""

    exit_code = 45


class SiteOccupiedError(HarnessError):
    """The folder for a leaderboard's site contains files that no leaderboard wrote."""

    exit_code = 46


class ReportInvalidError(HarnessError):
    """A report violates its schema because of a bug in the harness or an evaluator; no file is overwritten."""

    exit_code = 50


class EvaluatorError(HarnessError):
    """An evaluator that was requested by name cannot be used."""

    exit_code = 51


class BudgetError(HarnessError):
    """The retraining time could not be measured, so no time limit can be set."""

    exit_code = 52


class ExportError(HarnessError):
    """A finished run could not be exported; the run and its report are unaffected, and the export can be retried."""

    exit_code = 53


class NotComparableError(HarnessError):
    """The runs cannot be compared because their numbers have different meanings; the message states why and what to do."""

    exit_code = 54


class BusyMachineError(HarnessError):
    """The machine was busy for ten minutes, and retraining is measured only on an idle machine."""

    exit_code = 55


class OutputsInvalidError(HarnessError):
    """Supplied outputs of models cannot be read, or their arrays do not fit together; the message names each fault."""

    exit_code = 56


class PopulationInvalidError(HarnessError):
    """Checkpoints or a published population cannot be used; nothing was put into the cache. The message names each fault."""

    exit_code = 57


class InterruptedRunError(HarnessError):
    """The user interrupted the run (Ctrl-C or a termination signal); the message states how to resume it."""

    exit_code = 130

"""Exporters: trusted plugins that copy a finished run to another system. They are called only if the user names them."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from harness.core.files import atomic_write_text
from harness.errors import ExportError, HarnessError, PluginNotFoundError
from harness.plugins.discovery import EXPORTERS, FoundPlugin, find_plugins, hook_of, refuse_duplicates, suggestion

if TYPE_CHECKING:
    from harness.library.result import RunReport

HOOK = "harness_run_finished"


@dataclass(frozen=True)
class LoadedExporter:
    """An imported exporter and its entry point."""

    found: FoundPlugin
    call: pluggy.HookCaller


def choose_exporters(names: Sequence[str]) -> list[LoadedExporter]:
    """Import the exporters with these names, each once, and no others.

    Raises:
        PluginNotFoundError: if a name is not installed.
        DuplicatePluginError: if two distributions register a name.
        PluginLoadError: if an exporter cannot be imported or does not implement the hook.
    """
    installed = find_plugins(EXPORTERS)
    by_name = {plugin.name: plugin for plugin in installed}
    chosen = dict.fromkeys(names)
    for name in chosen:
        refuse_duplicates(installed, only=name)
        if name not in by_name:
            raise PluginNotFoundError(f"No exporter named {name!r} is installed.{suggestion(name, by_name)}")
    return [LoadedExporter(by_name[name], hook_of(by_name[name], HOOK)) for name in chosen]


def export_run(report: RunReport, run_dir: Path, exporters: Iterable[LoadedExporter]) -> list[str]:
    """Call all exporters in order, continuing after a failure.

    Returns:
        The exporters' messages, e.g. where the run was exported to.

    Raises:
        ExportError: if any failed; names the exporters, their errors, and the files with the tracebacks.
    """
    messages: list[str] = []
    failures: list[str] = []
    for exporter in exporters:
        log = _log_path(run_dir, exporter.found.name)
        try:
            messages += [str(text) for text in exporter.call(report=report, run_dir=run_dir) if text]
            log.unlink(missing_ok=True)
        except (Exception, SystemExit) as error:
            failures.append(_failure(exporter.found, error, log))
    if failures:
        raise ExportError("\n".join([*messages, *failures, _again(run_dir)]))
    return messages


def _log_path(run_dir: Path, name: str) -> Path:
    return run_dir / f"export-{''.join(c if c.isalnum() or c in '-_' else '-' for c in name)}.log"


def _failure(found: FoundPlugin, error: BaseException, log: Path) -> str:
    """Write the traceback to ``log`` and return a message with the error and the file's path."""
    try:
        atomic_write_text(log, "".join(traceback.format_exception(error)))
        kept = f"The traceback is in {log}."
    except HarnessError as unwritable:
        kept = f"The traceback could not be written: {unwritable}"
    return f"The exporter {found.name!r} of {found.provider} failed: {type(error).__name__}: {error} {kept}"


def _again(run_dir: Path) -> str:
    return f"The run itself is complete. After fixing the cause, run: harness export {run_dir} --to NAME"

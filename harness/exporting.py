"""Exporters: trusted plugins that take a finished run elsewhere, and are called only where the user names them."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from harness.discovery import EXPORTERS, FoundPlugin, find_plugins, hook_of, refuse_duplicates, suggestion
from harness.errors import ExportError, HarnessError, PluginNotFoundError
from harness.files import atomic_write_text

if TYPE_CHECKING:
    from harness.library.result import RunReport

HOOK = "harness_run_finished"


@dataclass(frozen=True)
class LoadedExporter:
    """An exporter that has been imported, and where it came from."""

    found: FoundPlugin
    call: pluggy.HookCaller


def choose_exporters(names: Sequence[str]) -> list[LoadedExporter]:
    """Import exactly the exporters of these names, each once.

    Raises:
        PluginNotFoundError: none is installed under one of the names.
        DuplicatePluginError: two distributions register one of them.
        PluginLoadError: one cannot be imported or does not implement the hook.
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
    """Call the exporters one after another; a failure of one leaves the others to be called.

    Returns:
        What they said about where the run is to be found.

    Raises:
        ExportError: one or more failed; names them, their errors, and the files with the tracebacks.
    """
    said: list[str] = []
    failures: list[str] = []
    for exporter in exporters:
        log = _log_path(run_dir, exporter.found.name)
        try:
            said += [str(text) for text in exporter.call(report=report, run_dir=run_dir) if text]
            log.unlink(missing_ok=True)
        except (Exception, SystemExit) as error:
            failures.append(_failure(exporter.found, error, log))
    if failures:
        raise ExportError("\n".join([*said, *failures, _again(run_dir)]))
    return said


def _log_path(run_dir: Path, name: str) -> Path:
    return run_dir / f"export-{''.join(c if c.isalnum() or c in '-_' else '-' for c in name)}.log"


def _failure(found: FoundPlugin, error: BaseException, log: Path) -> str:
    """Keep the traceback, and say in one sentence what happened and where it is kept."""
    try:
        atomic_write_text(log, "".join(traceback.format_exception(error)))
        kept = f"Its traceback is in {log}."
    except HarnessError as unwritable:
        kept = f"Its traceback could not be kept: {unwritable}"
    return f"The exporter {found.name!r} of {found.provider} failed: {type(error).__name__}: {error} {kept}"


def _again(run_dir: Path) -> str:
    return f"The run is whole. Once the reason is gone: harness export {run_dir} --to NAME"

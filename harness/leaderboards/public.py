"""What of a report may be published: an allow-list. Everything else is left out or replaced by a commitment.

A commitment is an HMAC-SHA256 with the organiser's key. Equal secrets have equal commitments, so that runs stay comparable, and
nobody can find a secret by trying: seeds and data sets are few enough to be guessed from a plain digest. Publishing the key later
proves what the secrets were.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.core.files import write_error
from harness.core.outcomes import Evidence, ModelOutcome
from harness.errors import OutputUnwritableError
from harness.leaderboards.finding import Found, find_reports, whole_report
from harness.report.document import PopulationRecord, Report, SeedsRecord, TaskRecord
from harness.report.records import PluginRecord
from harness.report.results import EvaluatorRecord
from harness.report.writing import write_report

KEY_BYTES = 32


@dataclass(frozen=True)
class Commitments:
    """Commitments with one key."""

    key: bytes

    @classmethod
    def of_file(cls, path: Path) -> Commitments:
        """Read the key, or make one if there is no file; only its owner may read it.

        Raises:
            OutputUnwritableError: the file cannot be read or written, or has no key.
        """
        if not path.exists():
            _write_key(path)
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise OutputUnwritableError(f"{path} is no key of a leaderboard: {error}. Name another file.") from error
        if len(key) != KEY_BYTES:
            raise OutputUnwritableError(
                f"{path} is no key of a leaderboard: it has {len(key)} bytes. Name another file."
            )
        return cls(key)

    def of(self, value: Any) -> str:
        """Return the commitment to a JSON value, 64 hexadecimal digits."""
        text = json.dumps(value, sort_keys=True).encode()
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()


def _write_key(path: Path) -> None:
    """Write a new key, whole or not at all; keep the one of another process that was quicker."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
        with suppress(FileExistsError):
            os.link(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def has_secrets(found: Found) -> bool:
    """Return True if a report is of a task with ``secret: true``."""
    return any(entry.report.task.definition.get("secret") is True for entry in found.entries)


@contextmanager
def published(found: Found, commitments: Commitments) -> Iterator[Found]:
    """Yield the same runs with public reports, which lie in a temporary folder as long as the context is open."""
    with TemporaryDirectory() as name:
        for number, entry in enumerate(found.entries):
            folder = Path(name) / str(number)
            folder.mkdir()
            write_report(public_report(whole_report(entry)[0], commitments), folder)
        yield replace(find_reports([Path(name)]), skipped=())


def public_report(report: Report, commitments: Commitments) -> Report:
    """Return what may be published of a report.

    Left out: example ids and pictures, seeds, the task's definition, paths, sources and file lists of plugins, output, messages
    and tracebacks of plugins, notes and warnings, which may quote any of these.
    """
    return Report(
        harness_version=report.harness_version,
        run_id=commitments.of(report.run_id)[:12],
        created=report.created,
        finished=report.finished,
        rejudged=report.rejudged,
        status=report.status,
        verdict=report.verdict,
        task=_task(report, commitments),
        architecture=report.architecture,
        recipe=report.recipe,
        plugin=_plugin(report.plugin),
        runner=replace(
            report.runner,
            image=None,
            engine={},
            effective=None,
            gpu=None if report.runner.gpu is None else {"given": True},
        ),
        hardware=report.hardware,
        libraries=report.libraries,
        seeds=SeedsRecord(run=0),
        design=report.design,
        budget=report.budget.model_copy(update={"measured_on": None}),
        populations=report.populations.model_copy(
            update={
                role: _population(getattr(report.populations, role), commitments)
                for role in ("original", "retrained", "control", "unlearned")
            }
        ),
        journal=report.journal,
        models=tuple(map(_model, report.models)),
        evaluators=tuple(map(_evaluator, report.evaluators)),
        phases=report.phases,
        times=report.times,
    )


def _task(report: Report, commitments: Commitments) -> TaskRecord:
    task = report.task
    secret = {"definition": task.definition, "data": task.data_digest, "seed": report.seeds.references}
    twins = None if task.twins is None else tuple(replace(one, pairs={}) for one in task.twins)
    return TaskRecord(
        name=task.name,
        description=task.description,
        definition={"commitment": commitments.of(secret)},
        data_digest=commitments.of(secret),
        split_sizes=task.split_sizes,
        chosen=None if task.chosen is None else replace(task.chosen, example=None),
        class_names=task.class_names,
        twins=twins,
    )


def _plugin(plugin: PluginRecord) -> PluginRecord:
    return PluginRecord(
        name=plugin.name,
        value="",
        distribution=plugin.distribution,
        version=plugin.version,
        origin=plugin.origin,
        location="",
        digest=plugin.digest,
        options=plugin.options,
    )


def _population(made: PopulationRecord, commitments: Commitments) -> PopulationRecord:
    return PopulationRecord(
        size=made.size,
        cache_key=None if made.cache_key is None else commitments.of(made.cache_key),
        origins=("Some of these models were not trained here.",) if made.origins else (),
    )


def _model(model: ModelOutcome) -> ModelOutcome:
    """Return the status and the numbers of a model; the seed is 0, and nothing that the plugin wrote remains."""
    evidence = Evidence(elapsed_s=model.evidence.elapsed_s, limit_s=model.evidence.limit_s)
    return ModelOutcome(
        index=model.index,
        seed=0,
        status=model.status,
        charged_s=model.charged_s,
        prepare_s=model.prepare_s,
        cpu_pressure=model.cpu_pressure,
        peak_rss_mib=model.peak_rss_mib,
        peak_gpu_mib=model.peak_gpu_mib,
        evidence=evidence,
        attempts=model.attempts,
        original=model.original,
        cpu_s=model.cpu_s,
        examples=model.examples,
        clock=model.clock,
        unchanged=model.unchanged,
    )


def _evaluator(record: EvaluatorRecord) -> EvaluatorRecord:
    return EvaluatorRecord(
        name=record.name,
        version=record.version,
        distribution=record.distribution,
        distribution_version=record.distribution_version,
        seconds=record.seconds,
        error="it failed" if record.error else None,
        metrics=tuple(replace(metric, note="") for metric in record.metrics),
        arrays=record.arrays,
    )

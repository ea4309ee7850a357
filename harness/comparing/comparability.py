"""Conditions under which runs may be compared, and notices about permitted differences.

Runs are comparable only if data, architecture, recipe, design, reference models and evaluators are the same. Other differences
(machine, torch, limit) are permitted and reported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.comparing.comparison import Kind, Method
from harness.errors import NotComparableError
from harness.report.budget_words import amount, limit_words, undependable_sentence
from harness.report.document import Report
from harness.report.faults import fault
from harness.report.words import plain


@dataclass(frozen=True)
class Fact:
    """A property on which runs may differ: name, reader, and advice if it must agree."""

    name: str
    read: Callable[[Report], object]
    advice: str = ""


def run_facts(report: Report) -> dict[str, Any]:
    """Return the properties of a run, by their keys in the JSON of comparisons and leaderboards."""
    plugin, budget = report.plugin, report.budget
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "options": plugin.options,
        "torch": torch_of(report),
        "runner": report.runner.name,
        "finished": report.finished_models,
        "models": len(report.models),
        "limit_s": budget.limit_s,
        "limit": limit_words(budget),
        "clock": budget.clock,
        "dependable": budget.dependable,
        "failed_as": report.populations.failed_as,
        "verdict": report.verdict.level,
        "run_id": report.run_id,
        "created": report.created,
    }


SAME_TASK = "Use the same task for all runs: harness run --task NAME --plugin ..."
MUST_AGREE = (
    Fact("task", lambda report: report.task.name, SAME_TASK),
    Fact(
        "request",
        lambda report: None if report.request is None else report.request.number,
        "Compare the same request of all streams.",
    ),
    Fact("data (digest)", lambda report: report.task.data_digest[:16], "Use the same data for all runs."),
    Fact("sizes of the splits", lambda report: report.task.split_sizes, SAME_TASK),
    Fact("architecture", lambda report: report.architecture.model_dump(), SAME_TASK),
    Fact("training recipe", lambda report: report.recipe, SAME_TASK),
    Fact(
        "number of models",
        lambda report: _sizes(report),
        "Many metrics depend on the number of models: pass the same --models to all runs.",
    ),
    Fact(
        "design",
        lambda report: report.design.model_dump(),
        "Pass the same --design, --models and --repeats to all runs.",
    ),
)
REFERENCES = Fact(
    "reference models",
    lambda report: _references(report),
    "The cache returns the same reference models only for the same task, machine, torch and version of the harness. "
    "Repeat the older runs.",
)
NOTED = (
    Fact("version of torch", lambda report: torch_of(report)),
    Fact("machine", lambda report: machine(report)),
    Fact("runner", lambda report: report.runner.name),
    Fact("time limit", lambda report: _limit(report)),
    Fact(
        "treatment of failed models",
        lambda report: {"noop": "as originals"}.get(report.populations.failed_as, "left out"),
    ),
    Fact("version of the harness", lambda report: report.harness_version),
)


def check(runs: Sequence[Method], kind: Kind) -> None:
    """Raise an error if the runs cannot be compared.

    Raises:
        NotComparableError: with every reason, and what to do about each.
    """
    reasons = [_reason(fact, runs) for fact in MUST_AGREE if _differs(fact, runs)]
    if not reasons and _differs(REFERENCES, runs) and not (kind == "drift" and _other_host_torch(runs)):
        reasons.append(_reason(REFERENCES, runs))
    if kind == "drift":
        reasons += _not_one_method(runs)
    if reasons:
        raise NotComparableError("These runs cannot be compared. " + " ".join(reasons))


def notices(runs: Sequence[Method], kind: Kind) -> list[str]:
    """Return one sentence for each permitted difference."""
    skipped = "version of torch" if kind == "drift" else ""
    found = [f"Other {_listed(fact, runs)}." for fact in NOTED if fact.name != skipped and _differs(fact, runs)]
    if _differs(REFERENCES, runs):
        found.append(
            "The reference models were trained again for each version of torch: if the control changed too, a change of a "
            "number is not due to the plugin alone."
        )
    if all(_references(one.report) is None for one in runs):
        found.append("The reports do not record their reference models, which are assumed to be the same.")
    if any(one.report.request is not None and one.report.request.number > 1 for one in runs):
        found.append(
            "These are later requests of streams: each run's no-op is what its own plugin returned at the request before."
        )
    found += [f"{one.label}: {text}" for one in runs if (text := fault(one.report))]
    found += [f"{one.label}: {_lower(text)}" for one in runs if (text := undependable_sentence(one.report))]
    return found + [_incomplete(one) for one in runs if one.report.populations.failed_models]


def shared(report: Report) -> dict[str, object]:
    """Return all properties, by name, that must be equal within a ranking."""
    return {fact.name: fact.read(report) for fact in (*MUST_AGREE, REFERENCES)}


def does_nothing(report: Report) -> bool:
    """Return True if all finished models came back unchanged: such a run is a reference, not a method."""
    known = [model.unchanged for model in report.models if model.status.finished and model.unchanged is not None]
    return all(known) if known else report.plugin.name == "noop"  # older reports do not say


def torch_of(report: Report) -> str:
    """Return the plugin's version of torch; the host's if the runner does not report it; empty if unknown."""
    return report.runner.torch or report.libraries.get("torch", "")


def machine(report: Report) -> str:
    """Return a description of the machine."""
    hardware, cpus = report.hardware, report.runner.requested.cpus
    used = f", {cpus:g} of them used" if cpus is not None and cpus < hardware.cores else ""
    gpu = f", {', '.join(hardware.gpus)}" if hardware.gpus and report.runner.gpu else ""
    return plain(f"{hardware.cpu_model}, {hardware.cores} cores{used}{gpu}")


def _differs(fact: Fact, runs: Sequence[Method]) -> bool:
    return len({_key(fact.read(one.report)) for one in runs}) > 1


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _reason(fact: Fact, runs: Sequence[Method]) -> str:
    return f"Other {_listed(fact, runs)}. {fact.advice}"


def _listed(fact: Fact, runs: Sequence[Method]) -> str:
    """Return the runs grouped by a property, e.g. "task: faces (finetune, scrub); cifar10 (ssd)"."""
    values = [fact.read(one.report) for one in runs]
    groups: dict[str, list[str]] = {}
    for one, value in zip(runs, values, strict=True):
        groups.setdefault(shown(value, values), []).append(one.label)
    return f"{fact.name}: " + "; ".join(f"{value} ({', '.join(labels)})" for value, labels in groups.items())


def shown(value: object, values: Sequence[object]) -> str:
    """Return a value as text; of a mapping only the entries that differ."""
    if value is None or value == "":
        return "unknown"
    if not isinstance(value, Mapping):
        return plain(str(value))[:120]
    maps = [one for one in values if isinstance(one, Mapping)]
    keys = dict.fromkeys(key for one in maps for key in one)
    odd = [key for key in keys if len({_key(one.get(key)) for one in maps}) > 1]
    return plain(", ".join(f"{key} {value.get(key, 'not given')}" for key in odd))[:200]


def _sizes(report: Report) -> dict[str, int]:
    made = report.populations
    return {"originals": made.original.size, "retrained": made.retrained.size, "control": made.control.size}


def _references(report: Report) -> str | None:
    """Return a short digest of the reference models' cache keys; None if the report lacks them.

    The originals of a later request of a stream are what the plugin itself returned before, and are left out.
    """
    made, request = report.populations, report.request
    roles = (made.original, made.retrained, made.control)
    keys = [one.cache_key for one in (roles[1:] if request is not None and request.number > 1 else roles)]
    return None if None in keys else hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:12]


def _limit(report: Report) -> str:
    budget = report.budget
    unit = {"wall": "", "cpu": " (CPU seconds)", "steps": " (examples)"}[budget.clock]
    if budget.how == "fraction" and budget.fraction is not None:
        return f"{100 * budget.fraction:g} % of retraining{unit}"
    return amount(budget.limit_s, budget.clock) if budget.limit_s is not None else "none"


def _other_host_torch(runs: Sequence[Method]) -> bool:
    return len({one.report.libraries.get("torch", "") for one in runs}) > 1


def _not_one_method(runs: Sequence[Method]) -> list[str]:
    method = Fact(
        "plugin",
        lambda report: f"{report.plugin.name} {report.plugin.distribution} {report.plugin.version}",
        "Only one method can be compared under several versions of torch: leave --drift out to compare methods.",
    )
    options = Fact("options of the plugin", lambda report: report.plugin.options, "Pass the same --set to all runs.")
    return [_reason(fact, runs) for fact in (method, options) if _differs(fact, runs)]


def _lower(sentence: str) -> str:
    return plain(sentence[0].lower() + sentence[1:])


def _incomplete(one: Method) -> str:
    report = one.report
    finished, wanted = report.finished_models, len(report.models)
    if not finished:
        return f"{one.label}: no model finished, so it has no numbers."
    if report.populations.substituted:
        return f"{one.label}: {wanted - finished} of {wanted} models failed and count as their originals."
    return f"{one.label}: its numbers are based on the {finished} of {wanted} models that finished."

"""What must be alike for two runs' numbers to be held against each other, and what the reader must know where it is not.

The numbers of two runs mean the same thing only where both were measured on the same data, architecture, recipe, design and
reference models, with the same evaluators. Whatever else differs (machine, torch, limit) is allowed and said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.comparing.comparison import Kind, RunFacts
from harness.errors import NotComparableError
from harness.report.budget_words import amount, limit_words, undependable_sentence
from harness.report.document import Report
from harness.report.faults import fault
from harness.report.words import plain


@dataclass(frozen=True)
class Labelled:
    """A report and what it is called in this comparison."""

    label: str
    report: Report


@dataclass(frozen=True)
class Fact:
    """Something on which runs may differ: what it is called, how it is read, and what to do where it must be alike."""

    name: str
    read: Callable[[Report], object]
    advice: str = ""


def run_facts(report: Report) -> RunFacts:
    """Return what is said of a run wherever it is shown beside others."""
    plugin, budget = report.plugin, report.budget
    return RunFacts(
        plugin=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        options=plugin.options,
        torch=torch_of(report),
        runner=report.runner.name,
        finished=report.finished_models,
        models=len(report.models),
        limit_s=budget.limit_s,
        limit=limit_words(budget),
        clock=budget.clock,
        dependable=budget.dependable,
        failed_as=report.populations.failed_as,
        verdict=report.verdict.level,
        run_id=report.run_id,
        created=report.created,
    )


SAME_TASK = "Run all of them on one task: harness run --task NAME --plugin ..."
MUST_AGREE = (
    Fact("task", lambda report: report.task.name, SAME_TASK),
    Fact("data (digest)", lambda report: report.task.data_digest[:16], "Use the same data for all of them."),
    Fact("sizes of the splits", lambda report: report.task.split_sizes, SAME_TASK),
    Fact("architecture", lambda report: report.architecture.model_dump(), SAME_TASK),
    Fact("training recipe", lambda report: report.recipe, SAME_TASK),
    Fact(
        "number of models",
        lambda report: _sizes(report),
        "Many a number depends on how many models it rests on: give all runs the same --models.",
    ),
    Fact(
        "design",
        lambda report: report.design.model_dump(),
        "Give all runs the same --design, --models and --repeats.",
    ),
)
REFERENCES = Fact(
    "reference models",
    lambda report: _references(report),
    "The same task, machine and torch find the same reference models in the cache; a changed program or torch trains others. "
    "Run the older ones again.",
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


def check(runs: Sequence[Labelled], kind: Kind) -> None:
    """Refuse runs that cannot be compared.

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


def notices(runs: Sequence[Labelled], kind: Kind) -> list[str]:
    """What differs and is allowed, one sentence each."""
    skipped = "version of torch" if kind == "drift" else ""
    found = [f"Other {_listed(fact, runs)}." for fact in NOTED if fact.name != skipped and _differs(fact, runs)]
    if _differs(REFERENCES, runs):
        found.append(
            "The reference models were trained anew for each version of torch: where the control has moved as well, a number's "
            "move is not the plugin's alone."
        )
    if all(_references(one.report) is None for one in runs):
        found.append("The reports do not say which reference models they rest on; they are taken to be the same.")
    found += [f"{one.label}: {text}" for one in runs if (text := fault(one.report))]
    found += [f"{one.label}: {_lower(text)}" for one in runs if (text := undependable_sentence(one.report))]
    return found + [_incomplete(one) for one in runs if one.report.populations.failed_models]


def shared(report: Report) -> dict[str, object]:
    """All that must be alike, by name: runs may stand in one ranking where these are equal."""
    return {fact.name: fact.read(report) for fact in (*MUST_AGREE, REFERENCES)}


def torch_of(report: Report) -> str:
    """The version of torch that the plugin ran with, the host's where the runner did not say; empty where unknown."""
    return report.runner.torch or report.libraries.get("torch", "")


def machine(report: Report) -> str:
    """The machine in words."""
    hardware, cpus = report.hardware, report.runner.requested.cpus
    used = f", {cpus:g} of them used" if cpus is not None and cpus < hardware.cores else ""
    gpu = f", {', '.join(hardware.gpus)}" if hardware.gpus and report.runner.gpu else ""
    return plain(f"{hardware.cpu_model}, {hardware.cores} cores{used}{gpu}")


def _differs(fact: Fact, runs: Sequence[Labelled]) -> bool:
    return len({_key(fact.read(one.report)) for one in runs}) > 1


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _reason(fact: Fact, runs: Sequence[Labelled]) -> str:
    return f"Other {_listed(fact, runs)}. {fact.advice}"


def _listed(fact: Fact, runs: Sequence[Labelled]) -> str:
    """E.g. "task: faces (finetune, scrub); cifar10 (ssd)"."""
    values = [fact.read(one.report) for one in runs]
    groups: dict[str, list[str]] = {}
    for one, value in zip(runs, values, strict=True):
        groups.setdefault(shown(value, values), []).append(one.label)
    return f"{fact.name}: " + "; ".join(f"{value} ({', '.join(labels)})" for value, labels in groups.items())


def shown(value: object, values: Sequence[object]) -> str:
    """A value in words; of a mapping what is not alike in all."""
    if value is None or value == "":
        return "not known"
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
    """A short name of the reference models, equal where all of them are; None where the report does not tell."""
    made = report.populations
    keys = [one.cache_key for one in (made.original, made.retrained, made.control)]
    return None if None in keys else hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:12]


def _limit(report: Report) -> str:
    budget = report.budget
    unit = {"wall": "", "cpu": " (processor seconds)", "steps": " (examples)"}[budget.clock]
    if budget.how == "fraction" and budget.fraction is not None:
        return f"{100 * budget.fraction:g} % of retraining{unit}"
    return amount(budget.limit_s, budget.clock) if budget.limit_s is not None else "none"


def _other_host_torch(runs: Sequence[Labelled]) -> bool:
    return len({one.report.libraries.get("torch", "") for one in runs}) > 1


def _not_one_method(runs: Sequence[Labelled]) -> list[str]:
    method = Fact(
        "plugin",
        lambda report: f"{report.plugin.name} {report.plugin.distribution} {report.plugin.version}",
        "Drift is that of one method under several versions of torch: leave --drift out to compare methods.",
    )
    options = Fact("options of the plugin", lambda report: report.plugin.options, "Give all runs the same --set.")
    return [_reason(fact, runs) for fact in (method, options) if _differs(fact, runs)]


def _lower(sentence: str) -> str:
    return plain(sentence[0].lower() + sentence[1:])


def _incomplete(one: Labelled) -> str:
    report = one.report
    finished, wanted = report.finished_models, len(report.models)
    if not finished:
        return f"{one.label}: no model finished, so it has no numbers."
    if report.populations.substituted:
        return f"{one.label}: {wanted - finished} of {wanted} models failed and count as their originals."
    return f"{one.label}: its numbers rest on the {finished} of {wanted} models that finished."

"""The study as the page and the pictures in ``docs``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from benchmarks.methods.running import NEEDS, RETRAIN_FRACTION, UNLIMITED
from benchmarks.methods.table import failures, table
from benchmarks.pages import NO_OTHERS, listed
from harness.comparing import LoadedReport, compare
from harness.comparing.comparison import TradeOff
from harness.comparing.scatter import panels, scatter
from harness.report.budget_words import amount
from harness.report.document import Report
from harness.report.journal_words import journal_sentences
from harness.report.words import plain

INTRODUCTION = """\
# The bundled methods, side by side

<!-- Written by `python -m benchmarks.methods --write`; do not edit. -->

Every method unlearned the same originals, through the same sandbox, within the same limit of CPU seconds, with the default
hyper-parameters of the harness; most were chosen on `faces` with an earlier network, and none on `fashion-mnist`. So the tables
say what the methods do as shipped here, on small networks, and not what their authors' code does on ResNet-18;
[as published, as shipped](#as-published-as-shipped) says where the two differ.

Methods that need a record of the originals' training stand in tables of their own, since that training is another one: small
batches without momentum for `amnesiac` and `replay`, shards and slices for `sisa`. `finetune` and `noop` are their yardsticks.
"""

PUBLISHED = Path(__file__).with_name("published.md")
"""Written by hand: how the methods differ from the authors' code."""

READING = """\
## How to read the tables

- **forgotten**: how far the LiRA AUC went from the no-op (0 %) to the control (100 %), the order of the table. Below 0 %, the
  attack finds the forget set more easily than in the untouched model; above 100 % is chance.
- **LiRA AUC**: an attack that tells unlearned from retrained models by the confidence on each forgotten example; .5 is chance;
  with a 95 % interval over models. A method that has forgotten *too much* has a high AUC as well: its verdict says so.
- **KS distance**: between the confidences of unlearned and retrained models, mean over the examples.
  **F (Challenge)**: forgetting quality by the 2023 Challenge's grid, higher is better.
- **before/after leakage**: how much of an attack's AUC the model *after* adds for somebody who has the model *before* and wants
  to know who was forgotten. Retraining leaks too (the control), the no-op nothing; above the control's is worse than retraining.
- **retain**, **forget**, **test**: accuracies; as the control's is best.
- **time a model**: median of the CPU seconds, import of the method left out; **of retraining**: the same as a share.
- **finished**: a model that did not come back in time counts nowhere.

The definitions are on [the evaluators' page](reference/evaluators.md), the methods on
[the unlearners' page](reference/unlearners.md).
"""


def write(tasks: Mapping[str, Mapping[str, Report]], docs: Path, command: str) -> None:
    """Write ``methods.md`` and a picture per task."""
    parts = [INTRODUCTION]
    for task, reports in tasks.items():
        name = Path(task).stem
        found = _trade_off(reports)
        picture = _picture(found)
        if picture:
            (docs / f"methods-{name}.svg").write_text(picture)
        parts.append(_section(name, reports, found, drawn=bool(picture)))
    parts += [READING, PUBLISHED.read_text(), _made(tasks, command)]
    (docs / "methods.md").write_text("\n".join(parts))


def _section(name: str, reports: Mapping[str, Report], found: TradeOff | None, *, drawn: bool) -> str:
    report = next(iter(reports.values()))
    limit = next(one.budget for method, one in reports.items() if method != UNLIMITED)
    unlimited = f"; `{UNLIMITED}` may take {RETRAIN_FRACTION:g} times retraining's time" if UNLIMITED in reports else ""
    facts = (
        f"{report.populations.original.size} originals, as many retrained models and controls; "
        f"{report.task.split_sizes['forget']} examples to forget, {report.task.split_sizes['retain']} to keep. Limit: "
        f"{amount(limit.limit_s, limit.clock)} a model, {100 * (limit.fraction or 0):.0f} % of retraining "
        f"({amount(limit.retrain_min_s or limit.retrain_median_s, limit.clock)}){unlimited}."
    )
    lines = [f"## {name}\n", facts + "\n"]
    lines += [f"`{method}`: {journal_sentences(one)}\n" for method, one in reports.items() if method in NEEDS]
    if drawn:
        lines.append(f"![Forgetting against accuracy on the test set, {name}](methods-{name}.svg)\n")
    lines += [table(reports), listed(failures(reports))]
    beaten = [point for point in (found.points if found else ()) if point.dominated_by]
    if beaten:
        lines.append(
            "\nBeaten on forgetting, utility and time at once, differences within chance included: "
            + "; ".join(f"`{plain(point.label)}` by {', '.join(point.dominated_by)}" for point in beaten)
            + "."
        )
    return "\n".join(lines) + "\n"


def _trade_off(reports: Mapping[str, Report]) -> TradeOff | None:
    """Forgetting against utility and time; None where fewer than two methods have numbers."""
    judged = [LoadedReport(report) for report in reports.values() if report.evaluators]
    return compare(judged).trade_off if len(judged) > 1 else None


def _picture(found: TradeOff | None) -> str:
    """Return an SVG plot of forgetting against utility; empty if fewer than two methods have both values."""
    svg = scatter(panels(found)[0], found) if found else ""
    if not svg:
        return ""
    folder = resources.files("harness.report")
    style = "\n".join((folder / name).read_text() for name in ("plots.css", "compare.css"))
    light = style.split("@media (prefers-color-scheme: dark)", 1)
    rules = light[0] + light[1].split("}\n}\n", 1)[1].split("@media", 1)[0]
    opened, rest = svg.split(">", 1)
    if "xmlns=" not in opened:
        opened += ' xmlns="http://www.w3.org/2000/svg"'
    return f'{opened}><style>{rules}</style><rect width="100%" height="100%" fill="#fff"/>{rest}\n'


def _made(tasks: Mapping[str, Mapping[str, Report]], command: str) -> str:
    report = next(iter(next(iter(tasks.values())).values()))
    evaluators = ", ".join(f"{one.name} {one.version}" for one in report.evaluators)
    machine = f"{report.hardware.cpu_model}, {report.hardware.cores} cores"
    versions = f"unlearning-harness {report.harness_version}, torch {report.libraries.get('torch', '')}"
    run = f"{machine}; runner {report.runner.name}; {versions}"
    facts = f"`{command}`", run, f"evaluators {evaluators}", NO_OTHERS
    return f"## How this was made\n\n{listed(facts)}"

"""``harness tasks NAME``: a task on the terminal, with an example picture of each class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console, RenderableType

    from harness.runs.task_summary import CachedReferences, ClassSummary, TaskSummary

PICTURE_COLUMNS = 16
"""Width of a picture on the terminal, characters; each shows two pixels, one above the other."""
GAP = 2
MAX_CLASSES = 40


def print_task(summary: TaskSummary, console: Console) -> None:
    """Print a task: definition, data, network, cost, cached models, classes, and pictures if the terminal has colours."""
    from rich.text import Text

    from harness.core.text import harmless
    from harness.report.words import plain

    task = summary.task
    console.print(Text.assemble((plain(task.name), "bold"), f": {plain(task.description)}"))
    for name, text in _facts(summary):
        console.print(Text.assemble((f"{name}: ", "dim"), plain(text)))
    if summary.no_data:
        console.print(Text(f"No data: {harmless(summary.no_data)}.", "yellow"))
    elif summary.classes:
        console.print()
        console.print(_class_table(summary))
        for line in _pictures(summary, console):
            console.print(line)


def task_json(summary: TaskSummary) -> str:
    """Return a task as JSON text, without examples."""
    from dataclasses import asdict

    task = summary.task
    document: dict[str, Any] = {
        "name": task.name,
        "description": task.description,
        "source": task.source,
        "models": task.models,
        "budget": asdict(task.budget),
        "no_data": summary.no_data,
        "sizes": dict(summary.sizes),
        "requests": list(summary.requests),
        "shape": list(summary.shape),
        "dtype": summary.dtype,
        "subjects": summary.subjects,
        "parameters": summary.parameters,
        "classes": [{"name": one.name, **one.examples} for one in summary.classes],
        "cached": None if summary.cached is None else asdict(summary.cached),
        "retraining": [asdict(one) for one in summary.times],
        "definition": task.definition,
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _facts(summary: TaskSummary) -> Iterator[tuple[str, str]]:
    task, recipe = summary.task, summary.task.recipe
    yield "from", task.source or "an installed task"
    if summary.sizes:
        if summary.requests:
            yield "requests", f"{len(summary.requests)}, of {', '.join(map(str, summary.requests))} examples to forget"
        yield "examples", ", ".join(f"{count} {name}" for name, count in summary.sizes.items())
        shape = " x ".join(map(str, summary.shape))
        subjects = "" if summary.subjects is None else f", of {summary.subjects} subjects"
        yield "inputs", f"{shape} {summary.dtype}, {len(summary.classes)} classes{subjects}"
    if summary.choice:
        yield "forget set", summary.choice
    parameters = "" if summary.parameters is None else f", {summary.parameters:,} parameters"
    options = ", ".join(f"{name} {value}" for name, value in task.architecture.options.items())
    yield "network", f"{task.architecture.name}{f' ({options})' if options else ''}{parameters}"
    yield (
        "training",
        f"{recipe.epochs} epochs in batches of {recipe.batch_size}, {recipe.optimizer}, learning rate {recipe.lr:g}",
    )
    yield "populations", f"{task.models} originals, retrained models and controls each (--models)"
    yield "limit", f"{100 * task.budget.fraction:g} % of the time of retraining (--budget-fraction)"
    if not summary.no_data:
        yield "retraining a model", "; ".join(_times(summary)) or "not measured here yet; the first run does"
    if summary.cached is not None:
        yield "cached here", _cached(summary.cached, task.models)


def _times(summary: TaskSummary) -> Iterator[str]:
    from harness.report.budget_words import amount

    for one in summary.times:
        cores = f", {one.cores} cores" if one.cores else ""
        yield f"{amount(one.seconds, one.clock)} ({one.runner}, {one.device}{cores})"  # type: ignore[arg-type]


def _cached(found: CachedReferences, models: int) -> str:
    if not any(found.models.values()):
        return "no reference models; the first run trains them, or: harness references build"
    listed = ", ".join(f"{count} {role}" for role, count in found.models.items())
    return f"{listed} of {models} models each, {found.size_bytes / 2**20:.1f} MiB"


def _class_table(summary: TaskSummary) -> RenderableType:
    from rich.table import Column, Table
    from rich.text import Text

    from harness.report.words import plain
    from harness.runs.pictures import drawable

    shown = summary.classes[:MAX_CLASSES]
    with_values = not drawable(summary.shape)
    columns = [Column("class", overflow="fold"), *(Column(name, justify="right") for name in summary.sizes)]
    table = Table(
        *columns,
        *([Column("example", overflow="ellipsis", no_wrap=True)] if with_values else []),
        box=None,
        pad_edge=False,
    )
    for one in shown:
        values = [_values(one)] if with_values else []
        table.add_row(Text(plain(one.name)), *(str(count) for count in one.examples.values()), *values)
    if len(summary.classes) > MAX_CLASSES:
        table.add_row(f"… {len(summary.classes) - MAX_CLASSES} more")
    return table


def _values(one: ClassSummary) -> str:
    from harness.runs.task_summary import MAX_VALUES

    if one.example is None:
        return ""
    values = one.example.ravel()
    more = " …" if len(values) > MAX_VALUES else ""
    return " ".join(f"{value:.4g}" for value in values[:MAX_VALUES].tolist()) + more


def _pictures(summary: TaskSummary, console: Console) -> Iterator[RenderableType]:
    """Yield lines of pictures, as many side by side as fit, each under its class's name."""
    from rich.text import Text

    from harness.report.words import plain
    from harness.runs.pictures import drawable

    if not drawable(summary.shape):
        return
    if console.color_system is None:
        yield Text("\nOn a terminal with colours, an example picture of each class is shown here.", "dim")
        return
    classes = [one for one in summary.classes[:MAX_CLASSES] if one.example is not None]
    abreast = max(1, (console.width + GAP) // (PICTURE_COLUMNS + GAP))
    for start in range(0, len(classes), abreast):
        row = classes[start : start + abreast]
        yield Text("")
        yield Text(" " * GAP).join([Text(f"{plain(one.name)[:PICTURE_COLUMNS]:<{PICTURE_COLUMNS}}") for one in row])
        drawn = [half_blocks(one.example) for one in row if one.example is not None]
        for lines in zip(*drawn, strict=True):
            yield Text(" " * GAP).join(lines)


def half_blocks(picture: NDArray[np.uint8]) -> Sequence[Any]:
    """Return a picture (1 or 3, H, W) uint8 as lines of characters with the colours of two pixels each, 16 characters wide."""
    import numpy as np
    from rich.style import Style
    from rich.text import Text

    side = PICTURE_COLUMNS
    rows, columns = (np.arange(side) * size // side for size in picture.shape[1:])
    small = np.broadcast_to(picture[:, rows][:, :, columns], (3, side, side))
    colours = [[f"rgb({r},{g},{b})" for r, g, b in line] for line in small.transpose(1, 2, 0).tolist()]
    return [
        Text.assemble(*(("▀", Style(color=top, bgcolor=low)) for top, low in zip(*colours[at : at + 2], strict=True)))
        for at in range(0, side, 2)
    ]

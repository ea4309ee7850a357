"""The table of a proof, and its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import pages
from benchmarks.pages import Table

GOALS = {"patch-cnn": 20, "small-cnn": 20, "resnet9": 20, "resnet18": 5}
"""How many times as fast side by side as one by one."""
HEAD = """\
# On a GPU

What `python -m benchmarks.gpu` found on one machine, from an empty folder, within {seconds:.0f} s. Every part ends by itself;
what a part could not do is told with the reason.

"""


def table(found: Mapping[str, Any]) -> str:
    """Return all of a proof as Markdown."""
    parts: dict[str, dict[str, Any]] = found["parts"]
    rows = [[name, _cell(one["status"]), f"{one['seconds']:.1f}"] for name, one in parts.items()]
    text = [pages.markdown(["part", "status", "seconds"], rows)]
    text += [SECTIONS[name](one["found"]) for name, one in parts.items() if one["found"]]
    return "\n".join(text)


def write(docs: Path, found: Mapping[str, Any], command: str) -> None:
    """Write ``docs/gpu.md`` and the table of all cells beside it."""
    parts = found["parts"]
    seconds = sum(one["seconds"] for one in parts.values())
    cells = parts.get("speed", {}).get("found", {}).get("cells", {}).values()
    head = ("network", "precision", "models", "how", "step_s", "peak_mib", "reason")
    rows = [[cell[name] for name in head] for cell in cells]
    text = HEAD.format(seconds=seconds) + table(found) + "\n" + pages.made_with(command, [])
    pages.write(docs, "gpu", text, [Table("speed", head, rows)])


def _cell(text: object) -> str:
    """Return text for a cell of a table: one line, without bars."""
    return " ".join(str(text).replace("|", "/").split())


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _environment(facts: Mapping[str, Any]) -> str:
    shown = {name: facts[name] for name in MACHINE if facts.get(name)}
    return "## The machine\n\n" + pages.listed(f"{name}: {_cell(value)}" for name, value in shown.items())


def _speed(facts: Mapping[str, Any]) -> str:
    head = ["network", "alone, ms a step", "side by side, ms a model's step", "models", "times as fast", "goal"]
    rows = [
        [
            name,
            _number(1000 * one["alone_s"]),
            _number(1000 * one["together_s"]),
            f"{one['models']} {one['how']}",
            _number(one["ratio"], 1),
            str(GOALS.get(name.split()[0], "–")),
        ]
        for name, one in facts.get("ratios", {}).items()
    ]
    others = [cell for cell in facts.get("cells", {}).values() if cell["how"] in ("compiled", "graphs", "vmap")]
    return "## Training\n\n" + pages.markdown(head, rows) + "\n" + pages.listed(map(_other, others))


def _other(cell: Mapping[str, Any]) -> str:
    """Return a sentence on a cell that is no row of the table."""
    found = f"{1000 * cell['step_s']:.3f} ms a model's step" if cell["step_s"] else _cell(cell["reason"])
    return f"{cell['network']}, {cell['how']}, {cell['models']} models: {found or 'not measured'}"


def _runs(facts: Mapping[str, Any]) -> str:
    models, epochs, width = facts["scale"]
    methods: Mapping[str, Mapping[str, Any]] = facts["methods"]
    numbers = list(next(iter(methods.values()), {"numbers": {}})["numbers"])
    rows = [
        [
            name,
            one["verdict"],
            f"{one['finished']} of {one['models']}",
            _number(one["median_s"], 2),
            _number(one["peak_gpu_mib"], 0),
            *(_number(one["numbers"][number]) for number in numbers),
            ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in one["phases"].items()),
        ]
        for name, one in methods.items()
    ]
    head = ["method", "verdict", "models", "s a model", "MiB of GPU memory", *numbers, "seconds by phase"]
    size = f"`fashion-mnist-full`: {models} models a population, {epochs} epochs, a ResNet-18 of width {width}."
    return f"## Runs\n\n{size}\n\n" + pages.markdown(head, rows)


def _agreement(facts: Mapping[str, Any]) -> str:
    points = (
        f"largest difference of a logit between the device and the CPU: {facts['largest_gap']:.2g}",
        f"largest difference of a metric: {facts['largest_metric_gap']:.2g}",
        f"verdicts, CPU and device: {', '.join(facts['verdicts'])}",
    )
    return "## The same on the CPU\n\n" + pages.listed(points)


def _container(facts: Mapping[str, Any]) -> str:
    seen = "A container computed on the card." if facts["works"] else f"Not seen: {_cell(facts['reason'])}"
    return f"## In a container\n\n{seen}\n"


MACHINE = ("gpus", "capability", "torch", "cuda", "cudnn", "cores", "cards", "findings")
SECTIONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "environment": _environment,
    "speed": _speed,
    "runs": _runs,
    "agreement": _agreement,
    "container": _container,
}

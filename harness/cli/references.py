"""``harness references``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import engine_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from harness.references.populations import References


@click.group("references", short_help="Build, import, publish, list and remove reference populations.")
def references_group() -> None:
    """Build, import, publish, list and remove the populations of originals, retrained models and controls."""


@references_group.command("build")
@click.argument("task")
@click.option("--models", type=click.IntRange(1, 10_000), help="Models per population.  [default: the task's]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="cpu or cuda.  [default: cuda if available]")
@engine_options
def build_command(
    task: str, models: int | None, device: str | None, engine: str, address: str | None, insecure_cluster: bool
) -> None:
    """Train and cache the populations of TASK; of a stream, those of every request.

    With --engine ray, chunks are trained on the nodes of a cluster, and stored in this machine's cache.
    """
    from harness.cli.cluster import check_engine
    from harness.core.cache import take_rebuilt
    from harness.core.progress_bars import RichProgress
    from harness.tasks.twins import find_twins, twin_warnings

    whole, lines = _references(task, device), []
    data = whole.data
    with ExitStack() as stack:
        progress = stack.enter_context(RichProgress())
        for text in twin_warnings(find_twins(data), data.sizes()):
            progress.notice(text)
        if check_engine(engine, address, insecure_cluster):
            from harness.runs.engines import cluster_engine

            cluster = stack.enter_context(cluster_engine(address, progress, insecure=insecure_cluster))
            whole.trainers = cluster.trainers
        for references in _requests(whole) if whole.task.deletions else [whole]:
            populations = references.populations(models or references.task.models, progress)
            for text in take_rebuilt():
                progress.notice(text)
            request = references.task.request
            at = "" if request is None else f"request {request.number}, "
            lines += [f"{at}{role}: {len(population.seeds)} models" for role, population in populations.items()]
    for line in lines:
        click.echo(line)


@references_group.command("choose")
@click.argument("task")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="New file for the ids.  [default: print them]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="cpu or cuda.  [default: cuda if available]")
def choose_command(task: str, output: Path | None, device: str | None) -> None:
    """Print the ids of the forget set of TASK, one per line; train the models that choose it, if there are any.

    With the ids in a file, `forget: {by: ids, ids_file: FILE}` fixes the choice for other machines and versions of torch.
    """
    from harness.core.files import atomic_write_text
    from harness.core.text import harmless
    from harness.errors import UsageError
    from harness.report.choice_words import choice_sentence

    if output is not None and output.exists():
        raise UsageError(f"{output} exists; choose another file, or remove it.")
    references = _references(task, device)
    if sentence := choice_sentence(references.task.chosen):
        click.echo(sentence, err=True)
    text = "".join(f"{name}\n" for name in references.data.forget.ids.tolist())
    if output is None:
        click.echo(harmless(text), nl=False)
    else:
        atomic_write_text(output, text)


@references_group.command("import")
@click.argument("task")
@click.option(
    "--originals", type=click.Path(path_type=Path), required=True, help="Models trained on retain and forget set."
)
@click.option(
    "--retrained", type=click.Path(path_type=Path), required=True, help="Models trained on the retain set alone."
)
@click.option(
    "--control", type=click.Path(path_type=Path), help="More retrained models.  [default: half of --retrained]"
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="cpu or cuda.  [default: cuda if available]")
def import_command(task: str, originals: Path, retrained: Path, control: Path | None, device: str | None) -> None:
    """Use checkpoints that you have trained as the reference models of TASK.

    Each option names a folder of checkpoints: .safetensors, or .pt/.pth with a state_dict, which is read with weights_only=True
    in a process of its own. They must be of the task's network. Their logits are computed here. Every report then says that
    reference models were imported. The time limit is still measured by training with the task's recipe, unless a run sets
    --time-limit.
    """
    from harness.core.progress_bars import RichProgress
    from harness.references.importing import import_populations

    references = _no_stream(_references(task, device))
    with RichProgress() as progress:
        found = import_populations(references, originals, retrained, control, progress)
    for one in found:
        accuracies = ", ".join(f"{name} {100 * value:.1f} %" for name, value in one.accuracy.items())
        click.echo(
            f"{one.role}: {one.models} models; accuracy {accuracies}; training less test {100 * one.gap:.1f} points"
        )
    click.echo(f"Run with --models {found[0].models}.")


@references_group.command("export")
@click.argument("task")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="New folder.")
@click.option("--models", type=click.IntRange(1, 10_000), help="Models per population.  [default: the task's]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="cpu or cuda.  [default: cuda if available]")
def export_command(task: str, output: Path, models: int | None, device: str | None) -> None:
    """Write the populations of TASK to a folder, to publish them; missing ones are trained.

    `harness references pull` reads the folder, or a copy of it on a server. It holds the originals' weights, and the logits of
    all models on every split, the test set included: publish it only if those may be known.
    """
    from harness.core.progress_bars import RichProgress
    from harness.references.exchange import export, index_text

    references = _no_stream(_references(task, device))
    with RichProgress() as progress:
        index = export(references, models or references.task.models, output, progress)
    click.echo(f"{index_text(index)} {output}")


@references_group.command("pull")
@click.argument("source")
def pull_command(source: str) -> None:
    """Read published populations from SOURCE into the cache; runs of their task then train nothing.

    SOURCE is a folder or a URL; http, s3 and hf need the extra "remote". Every file's digest is checked. A pull that was stopped
    continues with the chunks that are missing. Populations that this machine has trained itself are preferred.
    """
    from harness.core.progress_bars import RichProgress
    from harness.references.exchange import index_text, pull

    with RichProgress() as progress:
        index = pull(source, progress)
    click.echo(index_text(index))


def _requests(whole: References) -> Iterator[References]:
    """Yield the populations of each request of a stream."""
    from harness.references.populations import References
    from harness.tasks.checking import load_data
    from harness.tasks.loading import request_task
    from harness.tasks.task import Request

    for number in range(1, whole.task.deletions + 1):
        task = request_task(whole.task, Request(number, whole.task.deletions))
        yield References(task, load_data(task), device=whole.device, trainers=whole.trainers)


def _no_stream(references: References) -> References:
    """Return the populations; raise UsageError if they are a stream's, of which there are several."""
    from harness.errors import UsageError

    task = references.task
    if task.deletions:
        raise UsageError(
            f"{task.name} is a stream of {task.deletions} requests with reference models for each, which are neither "
            f"imported nor exported. `harness references build {task.name}` trains them."
        )
    return references


def _references(task: str, device: str | None) -> References:
    """Return the populations of a task on a device.

    Raises:
        GpuUnavailableError: if cuda was requested and there is no GPU.
    """
    from harness.core.hardware import gpu_names
    from harness.core.progress_bars import RichProgress
    from harness.errors import GpuUnavailableError
    from harness.plugins.discovery import find_task
    from harness.references.own_network import OwnNetwork
    from harness.references.populations import References
    from harness.runs.forget_choice import with_forget_set
    from harness.tasks.checking import load_data

    if device == "cuda" and not gpu_names():
        raise GpuUnavailableError("--device cuda was requested, but torch finds no CUDA device. Pass --device cpu.")
    own = OwnNetwork.of(find_task(task))
    device = device or ("cuda" if gpu_names() else "cpu")
    if own.task.choice is not None:
        with RichProgress() as progress:
            own = with_forget_set(own, device, progress)
    return References(own.task, load_data(own.task), device=device, own=own)


@references_group.command("list")
@click.option("--task", help="Only populations of this task.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_command(task: str | None, as_json: bool) -> None:
    """List the cached populations, trained and supplied: models, size, age, time since the last use, and who made them."""
    from datetime import datetime, timezone

    from harness.cli.catalogue import _print_table
    from harness.core.cache import cache_root
    from harness.references.cached import cached_populations, populations_json

    found = [one for one in cached_populations() if task in (None, one.task)]
    if as_json:
        click.echo(populations_json(found), nl=False)
        return
    now = datetime.now(timezone.utc)
    rows = [
        (
            one.task,
            one.role,
            str(one.models),
            f"{one.size_bytes / 2**20:.1f}",
            _age(now - one.made),
            _age(now - one.used),
            one.origin,
        )
        for one in found
    ]
    if rows:
        _print_table(("task", "role", "models", "MiB", "made", "used", "origin"), rows)
    total = sum(one.size_bytes for one in found)
    tasks = len({one.task for one in found})
    counted = f"{len(found)} {'population' if len(found) == 1 else 'populations'} of {tasks} {'task' if tasks == 1 else 'tasks'}"
    click.echo(f"{counted}, {total / 2**20:.1f} MiB in {cache_root()}.")


def _age(passed: timedelta) -> str:
    """Return a time span in its largest unit, e.g. "5 min"; 0 for one in the future, e.g. of a clock that was wrong."""
    seconds = max(0, int(passed.total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("min", 60))
    return next((f"{seconds // size} {name}" for name, size in units if seconds >= size), f"{seconds} s")


@references_group.command("prune")
@click.option("--task", help="Only populations of this task.")
@click.confirmation_option("--yes", prompt="Remove cached populations? Trained ones can be trained again.")
def prune_command(task: str | None) -> None:
    """Remove cached populations, trained and supplied."""
    from harness.references.supplied import prune

    entries, size = prune(task)
    click.echo(f"Removed {entries} entries, {size / 2**20:.1f} MiB.")


COMMANDS = (references_group,)

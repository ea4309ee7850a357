"""``harness image``."""

from __future__ import annotations

import click


@click.group("image", short_help="Build, list and remove sandbox images.")
def image_group() -> None:
    """Build, list and remove sandbox images."""


@image_group.command("build")
@click.option("--torch", help="torch version inside the image.  [default: the host's]")
@click.option("--base", help="Base image with Python 3.  [default: $HARNESS_BASE_IMAGE, or a local or public one]")
@click.option("--rebuild", is_flag=True, help="Build even if the image exists.")
def build_command(torch: str | None, base: str | None, rebuild: bool) -> None:
    """Build the sandbox image, unless it exists."""
    from harness.core.progress_bars import RichProgress
    from harness.runners.engine.client import Engine
    from harness.runners.images.listing import ensure_guest_image

    with RichProgress() as progress, progress.step("sandbox image", None) as step:
        image = ensure_guest_image(Engine.connect(), torch=torch, base=base, rebuild=rebuild, progress=step.tell)
    click.echo(f"{image.tag}: torch {image.torch}, Python {image.python}")


@image_group.command("list")
def list_command() -> None:
    """List the sandbox images on this engine."""
    from harness.cli.catalogue import _print_table
    from harness.runners.engine.client import Engine
    from harness.runners.images.listing import list_images

    rows = [
        (_short(image.tag), image.kind, image.torch, image.python, image.content, f"{image.size_mib:.0f}")
        for image in list_images(Engine.connect())
    ]
    _print_table(("image", "kind", "torch", "Python", "content", "MiB"), rows)


def _short(name: str) -> str:
    """Return a tag as it is, and a digest cut to its first 12 digits, which the engine accepts."""
    return name[: len("sha256:") + 12] if name.startswith("sha256:") else name


@image_group.command("prune")
def prune_command() -> None:
    """Remove images of plugins and of earlier versions of the guest.

    They are rebuilt in seconds if needed. Images with torch, which take minutes, are kept.
    """
    from harness.runners.engine.client import Engine
    from harness.runners.images.listing import prune

    removed = prune(Engine.connect())
    for tag in removed:
        click.echo(f"Removed {tag}")
    click.echo(f"{len(removed)} images removed.")


COMMANDS = (image_group,)

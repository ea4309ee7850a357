"""``harness image``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.runners.engine.client import Engine
    from harness.runners.images.guest import GuestImage


@click.group("image", short_help="Build, list and remove sandbox images.")
def image_group() -> None:
    """Build, list and remove sandbox images."""


torch_option = click.option("--torch", help="torch version inside the image.  [default: the host's]")
base_option = click.option(
    "--base", help="Base image with Python 3.  [default: $HARNESS_BASE_IMAGE, or a local or public one]"
)


@image_group.command("build")
@torch_option
@base_option
@click.option("--rebuild", is_flag=True, help="Build even if the image exists.")
def build_command(torch: str | None, base: str | None, rebuild: bool) -> None:
    """Build the sandbox image, unless it exists."""
    from harness.runners.engine.client import Engine

    image = _image(Engine.connect(), torch, base, rebuild=rebuild)
    click.echo(f"{image.tag}: torch {image.torch}, Python {image.python}")


def _image(engine: Engine, torch: str | None, base: str | None, *, rebuild: bool = False) -> GuestImage:
    """Return the guest image; build it if it is missing, with a progress line."""
    from harness.core.progress_bars import RichProgress
    from harness.runners.images.guest import ensure_guest_image

    with RichProgress() as progress, progress.step("sandbox image", None) as step:
        return ensure_guest_image(engine, torch=torch, base=base, rebuild=rebuild, progress=step.tell)


@image_group.command("packages")
@torch_option
@base_option
def packages_command(torch: str | None, base: str | None) -> None:
    """List what methods find in the sandbox: packages, compilers, instruction sets, GPU architectures.

    The image is built if it is missing. A plugin's own dependencies are added to it for that plugin alone.
    """
    from harness.cli.catalogue import _print_table
    from harness.runners.engine.client import Engine
    from harness.runners.images.contents import contents

    engine = Engine.connect()
    image = _image(engine, torch, base)
    found = contents(engine, image)
    _print_table(("package", "version"), sorted(found.packages.items(), key=lambda one: one[0].lower()))
    cuda = f"CUDA {found.cuda}, kernels for {', '.join(found.gpu_architectures)}" if found.cuda else "none: a CPU build"
    facts = {
        "Python": found.python,
        "Compilers": ", ".join(found.compilers) or "none",
        "CPU": f"torch uses {found.cpu_capability}; flags: {' '.join(found.cpu_flags)}",
        "GPU": cuda,
        "Image": image.tag,
    }
    click.echo("\n" + "\n".join(f"{name}: {value}" for name, value in facts.items()))


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

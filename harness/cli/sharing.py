"""``harness badge`` and ``harness cite``."""

from __future__ import annotations

from pathlib import Path

import click

OUTPUT = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.command("badge", short_help="Write a badge of a run's verdict.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, help="SVG file.  [default: standard output]")
def badge_command(run: Path, output: Path | None) -> None:
    """Write a badge of the verdict of RUN, an SVG picture for a README; its title is the verdict's sentence."""
    from harness.report.badge import badge_svg
    from harness.report.writing import load_report

    _write(badge_svg(load_report(run)), output)


@click.command("cite", short_help="Write BibTeX for a paper that reports runs.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OUTPUT, help="BibTeX file.  [default: standard output]")
def cite_command(runs: tuple[Path, ...], output: Path | None) -> None:
    """Write BibTeX for a paper that reports the RUNs: the harness, the methods and the metrics that were used.

    Comments have what is needed to repeat each run: versions, options, and digests of method, data, reference models and image.
    The papers of a method are those that its description names; of a paper the first author is given.
    """
    from harness.report.citation import bibtex
    from harness.report.writing import load_report

    _write(bibtex([load_report(run) for run in runs]), output)


def _write(text: str, output: Path | None) -> None:
    from harness.core.files import atomic_write_text

    if output is None or output == Path("-"):
        click.echo(text, nl=False)
    else:
        atomic_write_text(output, text)
        click.echo(str(output), err=True)


COMMANDS = (badge_command, cite_command)

"""BibTeX for a paper that reports a run: the software with exact versions and digests, the method's papers, the metrics'."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.plugins.discovery import OWN_DISTRIBUTION, load_evaluators
from harness.report.document import Report
from harness.report.papers import PAPERS
from harness.report.records import PluginRecord
from harness.report.words import VERDICT_WORDS, plain
from harness.runners.bundles.describing import PluginSummary, describe
from harness_guest.entry_points import normal

ARXIV = re.compile(r"arXiv[: ]\s?(\d{4}\.\d{4,5})")
TITLE = "unlearning-harness: a benchmark for machine unlearning"
AUTHORS = "{The unlearning-harness contributors}"
MAX_OPTIONS_CHARS = 300
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{char: f"\\{char}" for char in "#$%&_{}"},
}


@dataclass(frozen=True)
class Entry:
    """A BibTeX entry; ``fields`` are LaTeX text."""

    kind: str
    key: str
    fields: Mapping[str, str]

    def __str__(self) -> str:
        body = "".join(f"  {name:<13} = {{{text}}},\n" for name, text in self.fields.items())
        return f"@{self.kind}{{{self.key},\n{body}}}\n"


def bibtex(reports: Sequence[Report]) -> str:
    """Return the entries for one or more runs, each once, after a comment on each run."""
    comments = [line for report in reports for line in _comment(report)]
    found = {entry.key: entry for report in reports for entry in _entries(report)}
    return "\n".join(["".join(f"% {line}\n" for line in comments), *map(str, found.values())])


def _comment(report: Report) -> Iterator[str]:
    """Yield what a reader needs to repeat the run; a comment, so no character is special."""
    plugin, made = report.plugin, report.populations
    yield plain(f"{plugin.name} on {report.task.name}, {report.created}, run {report.run_id}")
    yield f"verdict: {VERDICT_WORDS[report.verdict.level]}, {report.finished_models} of {len(report.models)} models"
    yield plain(f"method: {plugin.distribution} {plugin.version}, SHA-256 {plugin.digest}; options {_options(report)}")
    yield f"data: SHA-256 {report.task.data_digest}"
    populations = {"originals": made.original, "retrained": made.retrained, "control": made.control}
    keys = ", ".join(f"{name} {one.cache_key or 'unknown'}" for name, one in populations.items())
    yield f"reference models: {made.retrained.size} retrained, {made.control.size} controls; keys {plain(keys)}"
    yield plain(f"sandbox: {report.runner.name}, image {report.runner.image or 'none'}, torch {report.runner.torch}")
    if others := _other_sources(report):
        yield plain(f"metrics also rest on: {'; '.join(others)}")


def _options(report: Report) -> str:
    text = json.dumps(dict(report.plugin.options), sort_keys=True)
    return text if len(text) <= MAX_OPTIONS_CHARS else f"{text[:MAX_OPTIONS_CHARS]}…"


def _entries(report: Report) -> Iterator[Entry]:
    year = report.created[:4]
    libraries = ", ".join(
        f"{name} {report.libraries[name]}" for name in ("torch", "numpy", "scipy") if name in report.libraries
    )
    yield Entry(
        "software",
        f"unlearning-harness-{report.harness_version}",
        {
            "author": AUTHORS,
            "title": latex(TITLE),
            "year": year,
            "version": latex(report.harness_version),
            "note": latex(libraries),
        },
    )
    yield from _packages(report, year)
    for number in dict.fromkeys((*_method_papers(report), *_metric_papers(report))):
        yield _paper(number)


def _packages(report: Report, year: str) -> Iterator[Entry]:
    """Yield the packages of method and metrics that are not the harness's own."""
    plugin = report.plugin
    found = {plugin.distribution: (plugin.version, f"Unlearning method {plugin.name}; files SHA-256 {plugin.digest}")}
    for one in report.evaluators:
        found.setdefault(one.distribution, (one.distribution_version, f"Metrics: evaluator {one.name} {one.version}"))
    for name, (version, note) in found.items():
        if name and normal(name) != OWN_DISTRIBUTION:
            authors = _authors(plugin) if name == plugin.distribution else {}
            fields = {**authors, "title": name, "year": year, "version": version, "note": note}
            key = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{normal(name)}-{version}")
            yield Entry("software", key, {field: latex(text) for field, text in fields.items()})


def _described(plugin: PluginRecord) -> PluginSummary | None:
    """Return what the method's package says of it; None unless the same version is installed here."""
    try:
        found = describe(plugin.name)
    except HarnessError:
        return None
    return found if (found.distribution, found.version) == (plugin.distribution, plugin.version) else None


def _authors(plugin: PluginRecord) -> dict[str, str]:
    found = _described(plugin)
    return {"author": " and ".join(found.authors)} if found is not None and found.authors else {}


def _method_papers(report: Report) -> list[str]:
    """Return the papers that the method's description names."""
    found = _described(report.plugin)
    return [] if found is None else ARXIV.findall(found.docstring)


def _sources(report: Report) -> list[str]:
    """Return the sources of the report's metrics, from the evaluators of the same version that are installed here."""
    versions = {(one.name, one.version) for one in report.evaluators if not one.error}
    loaded, _ = load_evaluators()
    return [one.info.source for one in loaded if (one.info.name, one.info.version) in versions and one.info.source]


def _metric_papers(report: Report) -> list[str]:
    return [number for source in _sources(report) for number in ARXIV.findall(source)]


def _other_sources(report: Report) -> list[str]:
    """Return the sources that are no papers on arXiv, each once."""
    parts = (part.strip() for source in _sources(report) for part in source.split(";"))
    return list(dict.fromkeys(part for part in parts if not ARXIV.search(part)))


def _paper(number: str) -> Entry:
    known = PAPERS.get(number)
    fields = {"eprint": number, "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{number}"}
    if known is None:
        return Entry("misc", f"arxiv-{number}", {"title": f"arXiv:{number}", **fields})
    about = {"author": f"{latex(known.author)} and others", "title": latex(known.title), "year": str(known.year)}
    return Entry("misc", f"{known.author.partition(',')[0].lower()}-{number}", {**about, **fields})


def latex(text: str) -> str:
    """Return text on one line for a BibTeX field, with LaTeX's special characters escaped."""
    return "".join(_SPECIAL.get(char, char) for char in plain(text))

"""A badge shows the verdict to everybody; a citation has what was used, to the version and the digest."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from harness.cli.root import cli
from harness.errors import OutputUnwritableError, RunNotFoundError
from harness.plugins.discovery import UNLEARNERS, find_plugins, load_evaluators
from harness.report.badge import COLOURS, LABEL_COLOUR, badge_svg
from harness.report.citation import ARXIV, bibtex
from harness.report.document import Report, VerdictLevel
from harness.report.papers import PAPERS
from harness.report.records import SUPPLIED
from harness.report.words import VERDICT_TONE, VERDICT_WORDS
from harness.report.writing import write_report
from harness.runners.bundles.describing import describe
from tests.unit.conftest import Install
from tests.unit.report.examples import PLUGIN, build_report, evaluator

HOSTILE = "</title><script>alert(1)</script>\x1b[31m\u202e{}%\\&_#~^$"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def of(level: VerdictLevel) -> Report:
    made = build_report()
    return made.model_copy(update={"verdict": made.verdict.model_copy(update={"level": level})})


def root_of(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 -- the harness wrote it


def texts(svg: str) -> list[str]:
    return [str(one.text) for one in root_of(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("level", get_args(VerdictLevel))
def test_a_badge_has_task_verdict_and_the_verdicts_colour(level: VerdictLevel) -> None:
    svg = badge_svg(of(level))

    assert texts(svg) == ["unlearning on faces", VERDICT_WORDS[level]]
    assert COLOURS[VERDICT_TONE[level]] in svg


def test_a_badges_title_is_the_sentence_and_its_name_the_words() -> None:
    made = build_report()
    root = root_of(badge_svg(made))

    assert made.verdict.sentence in str(root[0].text)
    assert root.attrib["aria-label"] == f"unlearning on faces: {VERDICT_WORDS[made.verdict.level]}"
    assert root.attrib["role"] == "img"


def test_a_badge_of_supplied_outputs_says_so() -> None:
    made = build_report(plugin_facts=replace(PLUGIN, origin=SUPPLIED))

    assert texts(badge_svg(made))[1].endswith(", supplied outputs")


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [LABEL_COLOUR, *COLOURS.values()])
def test_white_text_is_readable_on_each_colour(colour: str) -> None:
    assert 1.05 / (_luminance(colour) + 0.05) >= 4.5


def test_a_badge_is_safe_whatever_the_names_are() -> None:
    made = build_report(plugin_facts=replace(PLUGIN, name=HOSTILE))
    svg = badge_svg(made.model_copy(update={"task": made.task.model_copy(update={"name": HOSTILE * 9})}))
    root = root_of(svg)

    assert {one.tag.partition("}")[2] for one in root.iter()} == {"svg", "title", "rect", "text"}
    assert "\x1b" not in svg
    assert len(texts(svg)[0]) < 60


def test_a_citation_has_the_harness_the_method_and_the_metrics() -> None:
    made = build_report(plugin_facts=replace(PLUGIN, name="scrub", version=describe("scrub").version))
    lira = next(one for one in load_evaluators()[0] if one.info.name == "lira")
    record = evaluator("lira").model_copy(update={"version": lira.info.version})
    text = bibtex([made.model_copy(update={"evaluators": (record,)})])

    assert re.findall(r"^@(\w+)\{([^,]+),$", text, re.MULTILINE) == [
        ("software", "unlearning-harness-0.1.0"),
        ("misc", "kurmanji-2302.09880"),
        ("misc", "carlini-2112.03570"),
        ("misc", "hayes-2403.01218"),
    ]
    assert made.task.data_digest in text
    assert PLUGIN.digest in text
    assert made.runner.image is not None
    assert made.runner.image in text


def test_what_another_version_names_is_not_cited() -> None:
    made = build_report(plugin_facts=replace(PLUGIN, name="scrub", version="99"), evaluators=(evaluator("lira"),))

    assert "@misc" not in bibtex([made.model_copy(update={"evaluators": (evaluator("nobodys"),)})])


def test_packages_of_others_are_cited_with_version_and_digest() -> None:
    facts = replace(PLUGIN, name="wish", distribution="Wish_Dist", version="2.0")
    metrics = evaluator("mine").model_copy(update={"distribution": "metrics", "distribution_version": "3"})
    text = bibtex([build_report(plugin_facts=facts, evaluators=(metrics,))])

    assert "@software{wish-dist-2.0,\n  title         = {Wish\\_Dist}," in text
    assert f"Unlearning method wish; files SHA-256 {PLUGIN.digest}" in text
    assert "@software{metrics-3," in text


def test_a_method_is_cited_with_the_authors_in_the_metadata_of_the_version_that_ran(install: Install) -> None:
    site = install("wish-dist", "2.0", {UNLEARNERS: {"wish": "wish"}}, {"wish.py": "def unlearn(model): pass\n"})
    info = site / "wish_dist-2.0.dist-info"
    with (info / "METADATA").open("a") as metadata:
        metadata.write("Author: Max & Moritz\nAuthor-email: Ada Lovelace <ada@example.org>\n")
    (info / "RECORD").write_text(f"wish.py,,\n{info.name}/METADATA,,\n{info.name}/entry_points.txt,,\n")
    facts = replace(PLUGIN, name="wish", distribution="wish-dist", version="2.0")

    assert "author        = {Max \\& Moritz and Ada Lovelace}" in bibtex([build_report(plugin_facts=facts)])
    assert "Ada" not in bibtex([build_report(plugin_facts=replace(facts, version="1.0"))])


def test_several_runs_share_their_entries() -> None:
    text = bibtex([build_report(run_id="one"), build_report(run_id="two")])

    assert text.count("@software{unlearning-harness-0.1.0,") == 1
    assert "run one\n" in text
    assert "run two\n" in text


def test_a_field_cannot_end_early_whatever_the_names_are() -> None:
    facts = replace(PLUGIN, name=HOSTILE, distribution=HOSTILE, version=HOSTILE)
    text = bibtex([build_report(plugin_facts=facts)])
    entries = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[{}\\]|\\text\w+\{\}", "", entries)

    assert bare.count("{") == bare.count("}")
    assert "\x1b" not in text
    assert all(line.startswith(("%", "@", "  ", "}")) or not line for line in text.splitlines())


@pytest.mark.parametrize("name", [one.name for one in find_plugins(UNLEARNERS) if one.bundled])
def test_the_papers_of_every_bundled_method_have_a_title(name: str) -> None:
    assert set(ARXIV.findall(describe(name).docstring)) <= set(PAPERS)


def test_the_papers_of_every_metric_have_a_title_and_no_other_has() -> None:
    metrics = {number for one in load_evaluators()[0] for number in ARXIV.findall(one.info.source)}
    methods = {
        n for one in find_plugins(UNLEARNERS) if one.bundled for n in ARXIV.findall(describe(one.name).docstring)
    }

    assert metrics | methods == set(PAPERS)


def test_both_commands_write_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    write_report(build_report(), tmp_path)
    for command in ("badge", "cite"):
        file = tmp_path / command
        printed = call(command, tmp_path).output
        assert call(command, tmp_path, "-o", file).exit_code == 0
        assert file.read_text() == printed
        assert call(command, tmp_path, "-o", tmp_path / "no" / "where").exit_code == OutputUnwritableError.exit_code
        assert call(command, tmp_path / "nowhere").exit_code == RunNotFoundError.exit_code

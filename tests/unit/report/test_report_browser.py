"""The page of a run in a real browser: nothing hostile runs, nothing is asked for, and an example can be picked."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report.document import Report
from harness.report.page import write_page
from tests.browser import Browser
from tests.unit.report.examples import build_report, evaluator, timeout
from tests.unit.report.samples import full_report, hostile_report

CHOSEN = "#examples figure.chosen figcaption strong"
SEEN = "return [...document.querySelectorAll('#examples figure')].filter(one => one.offsetParent !== null).length"


def opened(browser: Browser, report: Report, folder: Path) -> str:
    url = write_page(report, folder).as_uri()
    browser.open(url)
    return url


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_hostile_text_neither_runs_nor_asks_for_anything(browser: Browser, tmp_path: Path, scripts: bool) -> None:
    browser.without_scripts(not scripts)
    url = opened(browser, hostile_report(), tmp_path)

    browser.script("for (const one of document.querySelectorAll('details')) one.open = true")

    assert browser.script("return window.owned ?? null") is None
    assert browser.requests() == [url]
    assert browser.errors() == []
    assert browser.script("return document.querySelectorAll('script').length") == 1
    assert browser.all("iframe, link, base, a:not([href^='#']), object") == []
    assert browser.script("return getComputedStyle(document.querySelector('h1')).display") == "block"


def test_the_policy_stops_what_escaping_would_have_let_through(browser: Browser, tmp_path: Path) -> None:
    path = write_page(full_report(), tmp_path)
    injected = (
        "<script>window.owned = 1</script><img src='https://evil.invalid/x.png'><b onclick='window.owned = 1'>b</b>"
    )
    path.write_text(path.read_text().replace('<main id="main">', f'<main id="main">{injected}'))
    browser.open(path.as_uri())

    browser.script("document.querySelector('main > b').click()")

    assert browser.script("return window.owned ?? null") is None
    assert len(browser.errors()) >= 2
    assert browser.script("return document.querySelector('main > img').naturalWidth") == 0


def test_the_worst_example_is_shown_first_and_others_are_picked_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    url = opened(browser, full_report(), tmp_path)

    assert browser.texts(CHOSEN) == ["p1, class age 10"]
    browser.one("#pick").send_keys(Keys.ARROW_DOWN)
    assert browser.texts(CHOSEN) == ["p2, class age 20"]
    browser.one("#later").send_keys(Keys.ENTER)
    assert browser.texts(CHOSEN) == ["p20, class age 00"]
    browser.one("#all").send_keys(Keys.SPACE)
    assert browser.script(SEEN) == 4
    assert browser.errors() == []
    assert browser.requests() == [url]


def test_pictures_of_examples_are_really_shown(browser: Browser, tmp_path: Path) -> None:
    opened(browser, full_report(), tmp_path)

    assert browser.script("return [...document.images].map(one => one.naturalWidth)") == [8, 8, 8, 8]


def test_without_scripts_and_in_print_all_examples_are_shown(browser: Browser, tmp_path: Path) -> None:
    opened(browser, full_report(), tmp_path)
    assert browser.script(SEEN) == 1
    browser.media(kind="print")
    assert browser.script(SEEN) == 4
    browser.media()
    browser.without_scripts()
    opened(browser, full_report(), tmp_path)

    assert browser.script(SEEN) == 4
    assert not browser.one("#picker").is_displayed()


@pytest.mark.parametrize("width", [360, 500, 1100])
def test_the_page_is_never_wider_than_the_window(browser: Browser, tmp_path: Path, width: int) -> None:
    browser.size(width)
    for report in (full_report(), hostile_report()):
        opened(browser, report, tmp_path)

        assert browser.script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "report",
    [
        build_report(outcomes=[timeout(0)], evaluators=(), phases={}),
        build_report(evaluators=(evaluator("mine"),)),
        build_report(),
    ],
    ids=["failed", "one evaluator", "older"],
)
def test_a_report_without_arrays_is_a_whole_page(browser: Browser, tmp_path: Path, report: Report) -> None:
    opened(browser, report, tmp_path)

    assert browser.errors() == []
    assert "Written by" in browser.one("footer").text

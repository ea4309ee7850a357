"""The local view in a real browser: it refreshes, filters, keeps the focus, fits a telephone, and speaks to nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report.page import write_page
from harness.report.writing import write_report
from harness.viewing import ViewServer
from tests.browser import Browser
from tests.unit.report.examples import build_report, outcome, plugin_error
from tests.unit.shelf import finish, stop

ROWS = "table.runs tbody tr:not([hidden]) th a"
NARROW, WIDE = 400, 1200


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    finish(
        root / "20260131-120000-finetune-faces", options={"lr": 0.01}, tags=("baseline", "paper"), note="A note " * 20
    )
    write_page(build_report(), root / "20260131-120000-finetune-faces")
    failed = build_report(outcomes=[plugin_error(index, "x" * 300) for index in range(4)], evaluators=())
    finish(root / "broken", failed)
    stop(root / "under-way", ended=3, models=8, plugin="scrub", seed=3)
    return root


@pytest.fixture
def server(runs: Path) -> Iterator[ViewServer]:
    with ViewServer(runs) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_a_run_that_ends_is_shown_without_a_click(browser: Browser, server: ViewServer, runs: Path) -> None:
    browser.open(server.url)
    assert "interrupted, 3 of 8" in browser.script("return document.body.innerText")

    write_report(build_report(outcomes=[outcome(index) for index in range(3)]), runs / "under-way")
    browser.until("document.getElementById('counted').innerText == '2 finished, 1 failed'")
    assert browser.errors() == []
    assert all(asked.startswith(server.url) for asked in browser.requests())


def test_the_page_of_a_run_counts_its_models_while_it_is_open(browser: Browser, server: ViewServer, runs: Path) -> None:
    browser.open(server.url)
    browser.script("[...document.querySelectorAll('th a')].find(a => a.innerText == 'under-way').click()")
    browser.until("document.querySelector('main progress')?.value == 3")

    from harness.runs.store import RunStore

    store = RunStore.open(runs / "under-way")
    store.begin_model(3)
    store.finish_model(plugin_error(3, "bad rate", log="a line of output"), None)
    browser.until("document.querySelector('main progress').value == 4")
    text = browser.script("return document.body.innerText")
    assert "ValueError: bad rate" in text
    assert browser.errors() == []


def test_words_filter_the_runs_and_stay_after_a_refresh(browser: Browser, server: ViewServer, runs: Path) -> None:
    browser.open(server.url)
    browser.script(
        "const f = document.getElementById('filter'); f.value = '#paper epochs'; f.dispatchEvent(new Event('input'))"
    )
    assert browser.texts(ROWS) == ["20260131-120000-finetune-faces"]

    finish(runs / "another")
    browser.until("document.getElementById('counted').innerText.startsWith('2 finished')")
    assert browser.texts(ROWS) == ["20260131-120000-finetune-faces"]


def test_the_focus_stays_where_it_was(browser: Browser, server: ViewServer, runs: Path) -> None:
    browser.open(server.url)
    browser.until("document.querySelectorAll('th a').length == 3")
    name = browser.script("const a = document.querySelectorAll('th a')[1]; a.focus(); return a.id")
    finish(runs / "another")
    browser.until("document.querySelectorAll('th a').length == 4")

    assert browser.script("return document.activeElement.id") == name


def test_a_server_that_was_stopped_is_told(browser: Browser, runs: Path) -> None:
    with ViewServer(runs) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        browser.open(made.url)
        made.shutdown()
        thread.join()
    browser.until("!document.getElementById('lost').hidden")


def test_a_report_opens_and_its_script_works_but_cannot_read_other_pages(browser: Browser, server: ViewServer) -> None:
    browser.open(server.url)
    browser.script("[...document.querySelectorAll('th a')].find(a => a.innerText.includes('finetune')).click()")
    browser.until("!!document.getElementById('report')")
    browser.script("document.getElementById('report').click()")
    browser.until("document.title.includes('finetune')")

    assert browser.script("return origin") == "null"
    assert browser.errors() == []


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_the_screen(browser: Browser, server: ViewServer, width: int, scheme: str) -> None:
    browser.size(width, 900)
    browser.media(scheme=scheme)
    browser.open(server.url)
    addresses = [server.url, *browser.script("return [...document.querySelectorAll('th a')].map(a => a.href)")]
    for address in addresses:
        browser.open(address)
        assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), address

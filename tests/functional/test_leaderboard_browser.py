"""The leaderboard in a real browser: sorting, filtering, addresses that say what is shown, and nobody else spoken to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.leaderboards import find_reports, rank_all
from harness.leaderboards.board import Number
from harness.leaderboards.page import page_text
from tests.browser import Browser, Site, served
from tests.unit.comparing.samples import report
from tests.unit.leaderboard.ground import runner, saved, site_of
from tests.unit.leaderboard.test_site import hostile_run
from tests.unit.report.examples import timeout

NAMES = "section.board:not([hidden]) tbody tr:not([hidden]):not([data-end]) th > a"
OTHER = report().task.model_copy(update={"name": "pictures"})
NOT_ISOLATED = runner("2.6.0", name="process", isolation="none: an ordinary process")
GPU = {
    "runner": runner("2.6.0+cu124", gpu={"path": "cdi"}),
    "hardware": replace(report().hardware, gpus=("NVIDIA H100",)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a site of five runs on one task, one of them without models, and a run on another task."""
    root = tmp_path_factory.mktemp("leaderboard")
    runs = root / "runs"
    saved(runs, "scrub", 0.6, budget=report().budget.model_copy(update={"limit_s": 10.0}))
    saved(runs, "salun", 0.7, runner=NOT_ISOLATED)
    saved(runs, "ssd", 0.8, **GPU)
    saved(runs, "worse", 0.95, created="2026-02-01T00:00:00Z")
    saved(runs, "failed", outcomes=[timeout(index) for index in range(8)], evaluators=())
    saved(runs, "finetune", 0.75, task=OTHER)
    site_of(runs, root / "site")
    return root / "site"


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with served(folder) as made:
        yield made


@pytest.fixture
def page(browser: Browser, site: Site) -> Browser:
    browser.open(f"{site.url}/index.html")
    return browser


def names(browser: Browser) -> list[str]:
    return browser.texts(NAMES)


def click(browser: Browser, key: str) -> None:
    if "." in key:
        browser.script("for (const one of document.querySelectorAll('details.extras')) one.open = true")
    browser.one(f'section.board:not([hidden]) th[data-key="{key}"] button').click()


def choose(browser: Browser, name: str, value: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(browser.one(f"select[name={name}]")).select_by_value(value)


def address(browser: Browser) -> str:
    return str(browser.script("return location.hash"))


def natural(value: float | str) -> list[float | str]:
    """Return a sort key that orders 2.6.0 before 2.13.0."""
    return (
        [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", value)]
        if isinstance(value, str)
        else [value]
    )


def faces(browser: Browser) -> list[str]:
    """Return the order of the first table's rows, including the ends of the scale."""
    return browser.texts("section.board[data-task=faces] tbody tr th > :is(a, .key)")


def sorted_by(browser: Browser) -> list[tuple[str, str]]:
    found = "return [...document.querySelectorAll('section.board[data-task=faces] th[aria-sort]')]"
    return [tuple(pair) for pair in browser.script(f"{found}.map(one => [one.dataset.key, one.ariaSort])")]


def test_at_first_the_best_stand_first_between_the_ends_of_the_scale(page: Browser) -> None:
    assert faces(page) == ["Perfect", "scrub", "salun", "ssd", "Nothing done", "worse", "failed"]
    assert names(page)[-1] == "finetune"
    assert sorted_by(page) == [("way", "descending")]
    assert page.texts("#count") == ["6 runs, the best first."]
    assert page.errors() == []


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_nothing_is_asked_for_but_the_page_whatever_is_done_on_it(
    browser: Browser, site: Site, folder: Path, scheme: str
) -> None:
    url = f"{site.url}/index.html" if scheme == "http" else (folder / "index.html").as_uri()
    browser.open(url)
    click(browser, "lira.auc")
    choose(browser, "torch", "2.13.0")
    browser.one("summary").click()
    browser.driver.back()
    browser.until("location.hash.includes('sort=lira.auc') && !location.hash.includes('torch')")

    assert browser.requests() == [url]
    assert browser.errors() == []


def test_a_click_sorts_by_what_is_better_and_the_next_one_turns_the_order(page: Browser) -> None:
    click(page, "lira.auc")
    assert faces(page) == ["Perfect", "scrub", "salun", "ssd", "Nothing done", "worse", "failed"]
    assert sorted_by(page) == [("lira.auc", "ascending")]
    assert page.texts("#count") == ["6 runs, sorted by Likelihood-ratio attack, AUC, ascending."]

    click(page, "lira.auc")
    assert faces(page) == ["worse", "Nothing done", "ssd", "salun", "scrub", "Perfect", "failed"]
    assert sorted_by(page) == [("lira.auc", "descending")]
    assert page.texts("#count") == ["6 runs, sorted by Likelihood-ratio attack, AUC, descending."]


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_column_can_be_sorted_by_and_what_has_no_value_stands_last(
    browser: Browser, site: Site, direction: str
) -> None:
    browser.open(f"{site.url}/index.html")
    for key in browser.script("return [...document.querySelectorAll('th[data-key]')].map(one => one.dataset.key)"):
        browser.script(f"location.hash = 'sort={key}&dir={direction}'")
        browser.until(f"document.querySelector('th[aria-sort]').dataset.key === '{key}'")
        values = browser.script(
            """const head = document.querySelector(`th[data-key="${arguments[0]}"]`);
            const rows = [...document.querySelectorAll("section.board[data-task=faces] tbody tr")];
            return rows.map((row) => row.cells[head.cellIndex].dataset.v ?? null)
                .map((text) => text !== null && head.dataset.kind === "number" ? Number(text) : text);""",
            key,
        )
        known = [value for value in values if value is not None]
        assert values == known + [None] * (len(values) - len(known)), key
        assert known == sorted(known, key=natural, reverse=direction == "desc"), key
    assert browser.errors() == []


def test_sorting_works_from_the_keyboard(page: Browser) -> None:
    from selenium.webdriver.common.keys import Keys

    button = page.one('th[data-key="method"] button')
    page.script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    assert faces(page)[:3] == ["failed", "salun", "scrub"]

    page.driver.switch_to.active_element.send_keys(Keys.SPACE)
    assert faces(page)[:2] == ["worse", "ssd"]
    assert page.script("return document.activeElement.closest('th').dataset.key") == "method"


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("task", "pictures", ["finetune"]),
        ("torch", "2.6.0", ["salun", "ssd"]),
        ("device", "NVIDIA H100", ["ssd"]),
        ("isolation", "not isolated (process)", ["salun"]),
    ],
)
def test_a_choice_leaves_the_rows_that_fit(page: Browser, name: str, value: str, left: list[str]) -> None:
    choose(page, name, value)

    assert names(page) == left
    assert page.texts("#count") == [f"{len(left)} of 6 runs, the best first."]
    assert len(page.texts("section.board:not([hidden])")) == 1


def test_ranks_stay_those_among_all_runs(page: Browser) -> None:
    choose(page, "device", "NVIDIA H100")

    assert page.texts("tr:not([hidden]):not([data-end]) td.rank strong")[:1] == ["3"]


def test_the_search_takes_all_words_wherever_they_stand(page: Browser) -> None:
    page.one("input[name=q]").send_keys("H100  SSD")
    assert names(page) == ["ssd"]

    page.one("input[name=q]").send_keys(" nowhere")
    assert names(page) == []
    assert page.texts("#count") == ["None of 6 runs fits."]
    assert page.texts("section.board:not([hidden])") == []

    page.one("button[type=reset]").click()
    assert len(names(page)) == 6
    assert address(page) in ("", "#")


def test_an_address_says_what_is_shown(browser: Browser, site: Site) -> None:
    link = f"{site.url}/index.html#task=faces&sort=lira.auc&dir=desc&torch=2.13.0"
    for _ in range(2):
        browser.open(link)
        assert names(browser) == ["worse", "scrub", "failed"]
        assert sorted_by(browser) == [("lira.auc", "descending")]
        chosen = "return [...document.forms[0].elements].filter((one) => one.name).map((one) => one.value)"
        assert browser.script(chosen) == ["faces", "2.13.0", "", "", ""]
    browser.driver.refresh()
    assert names(browser) == ["worse", "scrub", "failed"]


def test_what_is_clicked_makes_the_address_that_shows_it_again(page: Browser, site: Site) -> None:
    choose(page, "task", "faces")
    choose(page, "isolation", "docker, one guest for all models")
    page.one("input[name=q]").send_keys("epyc s")
    click(page, "created")
    shown, link = names(page), address(page)

    page.open(f"{site.url}/index.html{link}")
    assert names(page) == shown == ["worse", "scrub", "ssd", "failed"]
    assert address(page) == link


def test_back_and_forward_go_through_what_was_shown(page: Browser) -> None:
    choose(page, "torch", "2.6.0")
    click(page, "method")
    page.one("input[name=q]").send_keys("ssd")
    assert names(page) == ["ssd"]

    page.driver.back()
    page.until("!location.hash.includes('sort')")
    assert names(page) == ["salun", "ssd"]
    assert page.script("return document.forms[0].elements.q.value") == ""
    page.driver.back()
    page.until("!location.hash.includes('torch')")
    assert len(names(page)) == 6
    page.driver.forward()
    page.driver.forward()
    page.until("location.hash.includes('q=ssd')")
    assert names(page) == ["ssd"]
    assert page.script("return document.forms[0].elements.q.value") == "ssd"


@pytest.mark.parametrize("fragment", ["#sort=nothing&dir=sideways", "#%E0%A4%A", "#__proto__=1&sort=constructor", "#a"])
def test_an_address_that_means_nothing_shows_all(browser: Browser, site: Site, fragment: str) -> None:
    browser.open(f"{site.url}/index.html{fragment}")

    assert len(names(browser)) == 6
    assert browser.errors() == []


def test_a_choice_that_no_longer_occurs_shows_nothing_and_says_so(browser: Browser, site: Site) -> None:
    browser.open(f"{site.url}/index.html#torch=<img src=x onerror=alert(1)>")

    assert names(browser) == []
    assert browser.texts("#count") == ["None of 6 runs fits."]
    assert browser.errors() == []
    choose(browser, "torch", "")
    assert len(names(browser)) == 6


def test_a_runs_page_opens_and_brings_one_back_to_what_was_shown(page: Browser, site: Site) -> None:
    choose(page, "torch", "2.6.0")
    page.one(NAMES).click()
    page.until("document.title.includes('salun')")
    assert all(url.startswith(site.url) for url in page.requests())
    assert [one for one in page.errors() if "favicon" not in one] == []

    page.driver.back()
    page.until("document.querySelector('#filters')")
    assert names(page) == ["salun", "ssd"]


def test_without_scripts_the_tables_are_sorted_and_nothing_pretends_to_work(browser: Browser, site: Site) -> None:
    browser.without_scripts()
    browser.open(f"{site.url}/index.html")

    assert faces(browser) == ["Perfect", "scrub", "salun", "ssd", "Nothing done", "worse", "failed"]
    assert not browser.one("#filters").is_displayed()
    assert browser.all("th button") == []


def test_the_policy_lets_no_other_script_run_and_nothing_be_fetched(page: Browser) -> None:
    page.script(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))"
    )
    page.script("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/a.png'}))")
    page.until("document.images[0].complete")

    assert page.script("return document.title") == "Unlearning leaderboard"
    assert len([one for one in page.errors() if "Content Security Policy" in one]) == 2


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import Select

    hostile_run(tmp_path / "runs")
    saved(tmp_path / "runs", "scrub")
    site_of(tmp_path / "runs", tmp_path / "site")
    browser.open((tmp_path / "site" / "index.html").as_uri())
    for field in ("task", "torch", "device", "isolation"):
        Select(browser.one(f"select[name={field}]")).select_by_index(1)

    assert browser.errors() == []
    assert len(browser.requests()) == 1
    assert browser.script("return document.scripts.length + document.images.length") == 1
    (page,) = (tmp_path / "site").glob("runs/script-*/report.html")
    browser.open(page.as_uri())
    assert [one for one in browser.errors() if "favicon" not in one] == []


def test_a_thousand_rows_are_sorted_and_filtered(browser: Browser, folder: Path, tmp_path: Path) -> None:
    made = rank_all(find_reports([folder.parent / "runs"]))
    board = made.boards[0]
    rows = [
        replace(board.rows[0], slug=f"r{index}", label=f"m{index}", metrics={"lira.auc": Number(index * 37 % 1000)})
        for index in range(1000)
    ]
    path = tmp_path / "index.html"
    path.write_text(page_text(replace(made, boards=(replace(board, rows=tuple(rows)),))))
    browser.open(f"{path.as_uri()}#sort=lira.auc&dir=desc")

    ordered = [row.label for row in sorted(rows, key=lambda row: -(row.metrics["lira.auc"].value or 0))]
    assert names(browser) == ordered[:100]
    browser.one("button.more").click()
    assert names(browser) == ordered
    assert address(browser) == "#sort=lira.auc&dir=desc&rows=all"
    browser.one("input[name=q]").send_keys("m999")
    assert names(browser) == ["m999"]
    assert browser.texts("#count") == ["1 of 1000 runs, sorted by Likelihood-ratio attack, AUC, descending."]
    assert not browser.one("button.more").is_displayed()


@pytest.mark.parametrize("width", [320, 500, 1100])
def test_tables_scroll_within_the_page_and_the_page_does_not(browser: Browser, site: Site, width: int) -> None:
    browser.size(width)
    browser.open(f"{site.url}/index.html")

    assert browser.script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.script(
        "return [...document.querySelectorAll('#filters *')].every(e => e.getBoundingClientRect().right <= innerWidth)"
    )


def test_on_paper_there_are_tables_and_no_controls(browser: Browser, site: Site) -> None:
    browser.media(kind="print")
    browser.open(f"{site.url}/index.html")

    assert not browser.one("#filters").is_displayed()
    assert browser.one("table.ranking").is_displayed()


def test_every_control_has_a_name_and_every_table_says_what_it_is(page: Browser) -> None:
    unnamed = """return [...document.querySelectorAll('button, select, input, a, summary, [role=region], [role=img]')].filter(
        (one) => !(one.textContent.trim() || one.labels?.length || one.ariaLabel
        || document.getElementById(one.getAttribute('aria-labelledby')?.split(' ')[0])?.textContent)).length"""
    assert page.script(unnamed) == 0
    assert page.script(
        "return [...document.querySelectorAll('table.ranking')].every((one) => one.caption.textContent.trim())"
    )
    assert page.script("return document.querySelector('#count').getAttribute('aria-live')") == "polite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(browser: Browser, site: Site, scheme: str) -> None:
    browser.media(scheme=scheme)
    browser.open(f"{site.url}/index.html")
    weak = browser.script(
        """const part = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = (one) => {
            for (; one; one = one.parentElement) {
                const found = part(getComputedStyle(one).backgroundColor);
                if (found.length === 3 || found[3] > 0) return found;
            }
            return [255, 255, 255];
        };
        const words = [...document.querySelectorAll("body *:not(svg *):not(option)")]
            .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
            .filter((one) => one.checkVisibility() && one.tagName !== "SCRIPT");
        return words.filter((one) => {
            const [a, b] = [light(part(getComputedStyle(one).color)), light(behind(one))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
        }).map((one) => one.outerHTML.slice(0, 200));"""
    )

    assert weak == []

"""Every page can be read by everybody: contrast, names, headings, keyboard, and widths, in a real browser.

The rules are those of WCAG 2.2, level AA, that tools such as Lighthouse check.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness import RunReport
from harness.comparing import LoadedReport, compare
from harness.comparing.budget_curve import curve_page
from harness.comparing.page import page_text
from harness.core.outcomes import Status
from harness.evaluation import Metric
from harness.leaderboards import find_reports
from harness.leaderboards.making import make_leaderboard
from harness.report.document import EvaluatorRecord, Report
from harness.report.glossary import ENTRIES
from harness.report.page import render_page
from harness.report.stream_page import summary_page
from harness.viewing import ViewServer
from harness.viewing.shelf import run_name
from tests.browser import Browser
from tests.unit.comparing.samples import loaded, metric, report
from tests.unit.comparing.test_budget_curve import CURVE
from tests.unit.leaderboard.ground import saved
from tests.unit.report import test_stream_page as streams
from tests.unit.report.examples import build_report, evaluator, outcome, plugin_error, timeout
from tests.unit.report.samples import full_report, hostile_report
from tests.unit.shelf import finish, stop

AUDIT = (Path(__file__).parent / "page_audit.js").read_text(encoding="utf-8")
NARROW, WIDE = 400, 1200
ROUNDS = 5
SCHEMES = ("light", "dark")
REACHABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']"
WITH_NAMES = frozenset(
    {
        "button",
        "link",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "image",
        "progressbar",
        "region",
        "form",
        "table",
    }
)
PAGES = (
    *("report", "report with all metrics", "failed report", "hostile report", "comparison", "comparison on two tasks"),
    *("leaderboard", "public leaderboard", "view", "view of a run", "view of a failed run", "card in a notebook"),
    *("stream of requests", "curve of budgets"),
)


def failing() -> list[object]:
    """Return eight models with different causes of failure."""
    causes = ("policy_violation", "output_invalid", "plugin_error", "oom", "timeout", "infra_error", "setup_error")
    ends = map(Status, (*causes, "killed_signal"))
    return [outcome(index, status, advice="Read the log.") for index, status in enumerate(ends)]


def boards(root: Path, *, public: bool) -> Path:
    """Write a site of runs that finished, failed in every way, or did nothing."""
    runs, site = root / "runs", root / "site"
    for name, auc in (("scrub", 0.6), ("a_method_with_a_long_name", 0.7), ("noop", 0.9)):
        saved(runs, name, auc)
    saved(runs, "broken", outcomes=failing(), evaluators=())
    saved(runs, "elsewhere", 0.8, task=report().task.model_copy(update={"name": "pictures"}))
    (runs / "damaged").mkdir()
    (runs / "damaged" / "report.json").write_text("{")
    gone = [f"{runs / 'noop'}=Submitted twice."] if public else []
    make_leaderboard(find_reports([runs]), site, public=public, key=root / "key", excluded=gone)
    return site / "index.html"


def comparisons() -> Mapping[str, str]:
    """Return pages on one task, with all metrics and a failed run, and on two."""
    task = report().task.model_copy(update={"name": "pictures"})
    one = [loaded("finetune"), loaded("a_method_with_a_long_name", 0.6), loaded("noop", 0.9)]
    broken = LoadedReport(report("broken", outcomes=failing(), evaluators=()))
    other = [loaded(name, auc, task=task) for name, auc in (("finetune", 0.8), ("scrub", 0.7))]
    full = [LoadedReport(named(full_report(), name)) for name in ("one", "two")]
    return {
        "comparison": page_text(compare([*full], everything=True)),
        "comparison on two tasks": page_text(compare([*one, broken]), compare(other)),
    }


def named(made: Report, name: str) -> Report:
    return made.model_copy(update={"plugin": replace(made.plugin, name=name)})


def explained() -> tuple[EvaluatorRecord, ...]:
    """Return records with the metrics that the glossary names, and one of each family."""
    names = [name for entry in ENTRIES for name in entry.names]
    names += [f"{entry.family}.other" for entry in ENTRIES if entry.family]
    found: dict[str, list[Metric]] = {}
    for name in names:
        family, _, short = name.partition(".")
        found.setdefault(family, []).append(metric(0.6, name=short))
    return tuple(evaluator(family, *metrics) for family, metrics in found.items())


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Write all pages once, and serve the local view; yield their addresses by name."""
    root = tmp_path_factory.mktemp("pages")
    card = RunReport.of(build_report(outcomes=[outcome(0), plugin_error(1)]), Path("runs/one"))._repr_html_()
    frame = (
        "<!DOCTYPE html><html lang=en><meta name=color-scheme content='light dark'><title>t</title><h1>Notebook</h1>"
    )
    texts = {
        "report": render_page(full_report()),
        "report with all metrics": render_page(build_report(evaluators=explained())),
        "failed report": render_page(build_report(outcomes=[plugin_error(0, "x" * 300), timeout(1)], evaluators=())),
        "hostile report": render_page(hostile_report()),
        "stream of requests": summary_page(streams._report(streams._request(1, 0.01), streams._request(2, 0.05, 0.1))),
        "curve of budgets": curve_page(CURVE),
        "card in a notebook": f"{frame}<main>{card}</main></html>",
        **comparisons(),
    }
    found = {}
    for name, text in texts.items():
        path = root / f"{name}.html"
        path.write_text(text)
        found[name] = path.as_uri()
    for name, public in (("leaderboard", False), ("public leaderboard", True)):
        found[name] = boards(root / name, public=public).as_uri()
    shelf = root / "shelf"
    finish(shelf / "20260131-120000-finetune-faces", options={"lr": 0.01}, tags=("paper",), note="A note " * 20)
    finish(shelf / "broken", build_report(outcomes=[plugin_error(0, "x" * 300, "y" * 300), timeout(1)], evaluators=()))
    stop(shelf / "under-way", ended=3, models=8)
    with ViewServer(shelf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        found["view"] = server.url
        for name, folder in (("view of a run", "under-way"), ("view of a failed run", "broken")):
            found[name] = f"{server.url}run/{run_name(shelf / folder)}"
        yield found
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read_and_used_by_everybody(browser: Browser, addresses: Mapping[str, str], page: str) -> None:
    browser.size(WIDE)
    browser.open(addresses[page])
    browser.script("for (const one of document.querySelectorAll('details')) one.open = true")
    found = {}
    for scheme in SCHEMES:
        for width in (WIDE, NARROW):
            browser.media(scheme=scheme)
            browser.size(width)
            found[scheme, width] = browser.script(AUDIT)

    assert found == {(scheme, width): [] for scheme in SCHEMES for width in (WIDE, NARROW)}
    assert nameless(browser) == []
    assert unreached(browser) == []
    assert [one for one in browser.errors() if "favicon" not in one] == []


def nameless(browser: Browser) -> list[str]:
    """Return the roles of controls, links and pictures without a name, as assistive technology computes it."""
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen = [(one["role"]["value"].lower(), one.get("name", {}).get("value", "")) for one in nodes if not one["ignored"]]
    assert any(role == "heading" for role, _ in seen)
    return [role for role, name in seen if role in WITH_NAMES - {"table"} and not name.strip()]


def unreached(browser: Browser) -> list[str]:
    """Return what the tab key does not reach, or does not show to have the focus."""
    from selenium.webdriver.common.keys import Keys

    browser.script(
        """window.reached = new Map();
        document.addEventListener("focusin", ({ target }) => {
          const style = getComputedStyle(target);
          reached.set(target, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1);
        });
        document.activeElement?.blur();"""
    )
    wanted = f"[...document.querySelectorAll({REACHABLE!r})].filter(one => one.checkVisibility() && !one.disabled)"
    lost = f"return {wanted}.filter(one => !reached.get(one)).map(one => one.outerHTML.slice(0, 120))"
    for _ in range(ROUNDS):  # a live page may replace the element that has the focus
        if left := browser.script(lost):
            browser.driver.switch_to.active_element.send_keys(Keys.TAB * (len(left) + 1))
    return list(browser.script(lost))


FAULTS = """<!DOCTYPE html><html lang=en><meta name=color-scheme content="light dark"><title>t</title><h2>No first heading</h2>
<p style="color: #888; background: #999">pale</p><h4>skips one</h4><div style="width: 3000px">wide</div><button></button>
<svg viewBox="0 0 100 20" width="100" height="20"><title>t</title><text x="60" y="15">much longer than its picture</text></svg>
<a href="#x" tabindex="-1">not with the keyboard</a><a href="#y" style="outline: none">unseen focus</a></html>"""


def test_the_audit_finds_each_kind_of_fault(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(FAULTS)
    browser.open((tmp_path / "page.html").as_uri())

    found = " ".join(browser.script(AUDIT))
    assert all(text in found for text in ('"pale"', "0 headings h1", "h4 after h2", "px wide", "cut off: text"))
    assert nameless(browser) == ["button"]
    assert [one.partition('"')[2][:2] for one in unreached(browser)] == ["#x", "#y"]

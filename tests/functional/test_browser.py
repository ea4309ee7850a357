"""The browser of the tests sees what they rely on: errors, requests that leave a page, settings of the reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import Browser, served


def _page(folder: Path, body: str) -> Path:
    path = folder / "page.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>t</title><link rel=icon href=data:,>{body}")
    return path


def test_it_hears_console_errors_and_uncaught_exceptions(browser: Browser, tmp_path: Path) -> None:
    browser.open(_page(tmp_path, "<script>console.error('first'); throw new Error('second')</script>").as_uri())

    errors = browser.errors()
    assert len(errors) == 2
    assert "first" in errors[0]
    assert "second" in errors[1]


def test_it_sees_a_request_that_leaves_the_page_and_lets_none_through(browser: Browser, tmp_path: Path) -> None:
    _page(tmp_path, "<img src=http://example.invalid/a.png alt=a><img src=http://192.0.2.1/b.png alt=b><p>here")
    with served(tmp_path) as site:
        browser.open(f"{site.url}/page.html")
        asked = list(site.asked)

    assert asked == ["/page.html"]
    assert browser.requests() == [
        f"{site.url}/page.html",
        "http://example.invalid/a.png",
        "http://192.0.2.1/b.png",
    ]
    assert len(browser.errors()) == 2


def test_errors_and_requests_count_from_the_last_page(browser: Browser, tmp_path: Path) -> None:
    browser.open(_page(tmp_path, "<script>console.error('old')</script>").as_uri())
    quiet = _page(tmp_path, "<p>quiet")
    browser.open(quiet.as_uri())

    assert browser.errors() == []
    assert browser.requests() == [quiet.as_uri()]


@pytest.mark.parametrize(("scheme", "kind"), [("dark", ""), ("light", "print"), ("light", "")])
def test_it_shows_a_page_as_the_reader_set_it(browser: Browser, tmp_path: Path, scheme: str, kind: str) -> None:
    browser.media(scheme=scheme, kind=kind)
    browser.size(500, 700)
    browser.open(_page(tmp_path, "<p>here").as_uri())

    matches = "return matchMedia(arguments[0]).matches"
    assert browser.script(matches, f"(prefers-color-scheme: {scheme})")
    assert browser.script(matches, "print") == (kind == "print")
    assert browser.script("return innerWidth") == 500


def test_it_can_do_without_scripts(browser: Browser, tmp_path: Path) -> None:
    page = _page(tmp_path, "<p>as written<script>document.querySelector('p').textContent = 'changed'</script>")
    browser.without_scripts()
    browser.open(page.as_uri())
    assert browser.texts("p") == ["as written"]

    browser.reset()
    browser.open(page.as_uri())
    assert browser.texts("p") == ["changed"]

"""A headless browser for tests of pages: Debian's chromium, driven by selenium, one for the whole session.

Ask for the fixture ``browser``; it is clean at the start of each test, and the test is skipped with the reason where
there is no browser. ``pip install -e .[test]`` and ``apt-get install --no-install-recommends chromium chromium-driver`` make one.

::

    from tests.browser import Browser, served

    def test_the_page_speaks_to_nobody(browser: Browser, tmp_path: Path) -> None:
        browser.open(page.as_uri())                       # file://, or served(...):
        with served(tmp_path) as site:                    # loopback, site.asked lists the paths that were asked for
            browser.open(f"{site.url}/report.html")
        assert browser.errors() == []                     # console errors and uncaught exceptions since open()
        assert browser.requests() == [f"{site.url}/report.html"]
        browser.script("return document.title")           # JavaScript in the page, with its result
        browser.all("tbody tr")                           # selenium's elements
        browser.size(500, 900); browser.media(scheme="dark"); browser.media(kind="print")
        browser.screenshot(Path("dark.png"))              # the whole page, not just what is in view

Nothing but loopback can be reached: every other name and address is answered with an error, and stands in ``requests``.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

PROGRAMS = (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
BLANK = "about:blank"
PATIENCE_S = 30
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # chromium's own needs a user that is not root; pages here are the tests' own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@dataclass
class Browser:
    """What tests do with the browser; ``driver`` is selenium's own."""

    driver: Chrome
    _requests: list[str] = field(default_factory=list)
    _errors: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Load a page afresh, even where only what stands behind the # differs; errors and requests count from here."""
        self.driver.get(BLANK)
        self._heard()
        self._requests, self._errors = [], []
        self.driver.get(url)

    def script(self, source: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; ``return`` gives its value back."""
        return self.driver.execute_script(source, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that match a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> WebElement:
        """Return the first element that matches a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """Return the visible text of each element that matches a CSS selector."""
        found = "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText.trim())"
        return list(self.script(found, selector))

    def until(self, expression: str) -> None:
        """Go on when a JavaScript expression is true, e.g. after back(); fails after half a minute."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.02).until(
            lambda driver: driver.execute_script(f"return Boolean({expression})"), f"never true: {expression}"
        )

    def requests(self) -> list[str]:
        """Every address asked for since open(), the page's own first; data: and the like are not requests."""
        self._heard()
        return list(self._requests)

    def errors(self) -> list[str]:
        """Console errors, refused by policy or not found, and uncaught exceptions, since open()."""
        self._heard()
        return list(self._errors)

    def size(self, width: int, height: int = 900) -> None:
        """Set the size of the page's viewport in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, *, scheme: str = "light", kind: str = "") -> None:
        """``scheme``: light or dark; ``kind``: empty, or print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})

    def without_scripts(self, disabled: bool = True) -> None:
        """Whether pages opened from now on run no script of their own; script() works nevertheless."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": disabled})

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        shot = {"format": "png", "captureBeyondViewport": True}
        path.write_bytes(b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]))

    def pdf(self, path: Path) -> None:
        """Write the printed page as PDF."""
        path.write_bytes(b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", {})["data"]))

    def reset(self) -> None:
        """As at the start of a test."""
        self.without_scripts(False)
        self.media()
        self.size(1100)
        self.open(BLANK)

    def _heard(self) -> None:
        """Take in what the browser has logged meanwhile; its logs are emptied by reading."""
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._asked(message["params"]["request"]["url"])
        for entry in self.driver.get_log("browser"):  # type: ignore[no-untyped-call]
            if entry["level"] == "SEVERE":
                self._errors.append(entry["message"])

    def _asked(self, url: str) -> None:
        if url.startswith(("http:", "https:", "ws:", "wss:", "ftp:", "file:")):
            self._requests.append(url)


@dataclass(frozen=True)
class Site:
    """A folder that is served on loopback.

    Attributes:
        url: without a slash at its end.
        asked: the paths that were asked for, in order.
    """

    url: str
    asked: list[str]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Serve a folder on a free port of 127.0.0.1."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            asked.append(self.path)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            """Say nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the session's browser; tests use the fixture ``browser``."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e .[test]")
    paths = [next(filter(None, map(shutil.which, names)), None) for names in PROGRAMS]
    if None in paths:
        pytest.skip("no browser here: apt-get install --no-install-recommends chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[1]))
    try:
        driver.set_page_load_timeout(PATIENCE_S)
        driver.set_script_timeout(PATIENCE_S)
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """Return the session's browser, without state of earlier tests."""
    chromium.reset()
    return chromium

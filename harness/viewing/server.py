"""The server of the local view: standard library, loopback alone, reading alone.

Its address has a random token, since other users of the machine can reach loopback too. A request with another host name is
refused, so that no web page can reach the server through a name of its own (DNS rebinding).
"""

from __future__ import annotations

import re
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.errors import RunNotFoundError, UsageError
from harness.report.page import PAGE_NAME
from harness.viewing import pages
from harness.viewing.shelf import Shelf

LOOPBACK = "127.0.0.1"
ADDRESS = re.compile(r"/(?P<token>[A-Za-z0-9_-]{8,})/(?P<rest>[a-z0-9./]*)")
RUN = re.compile(r"run/(?P<name>[0-9a-f]{16})(?P<kind>|\.part|/report\.html)")
HTML = "text/html; charset=utf-8"
REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'none'"
"""Policy of a run's report, beside its own: a run of a stranger may have any page, which must not read the other pages."""


class ViewServer(ThreadingHTTPServer):
    """A server of the runs below a folder.

    Args:
        root: the folder.
        port: on loopback; 0 for a free one.

    Raises:
        RunNotFoundError: the folder does not exist.
        UsageError: the port is in use.
    """

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        if not root.is_dir():
            raise RunNotFoundError(
                f"There is no folder {root}. Pass a folder that contains runs, e.g. `harness view runs`."
            )
        self.shelf, self.token = Shelf(root), secrets.token_urlsafe(16)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"Port {port} cannot be used: {error.strerror}. Pass another --port, or none for a free one."
            ) from error
        self.hosts = frozenset({f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}"})

    @property
    def url(self) -> str:
        """Return the address of the page, with the token."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an exception of a request, but for one of a browser that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    server_version, sys_version = "harness", ""

    def do_GET(self) -> None:
        """Answer with a page or a part of one."""
        if self.headers.get("Host") not in self.server.hosts:
            self._answer(403, "This server answers to its own address alone.\n", "text/plain; charset=utf-8")
            return
        found = ADDRESS.fullmatch(self.path)
        if found is None or not secrets.compare_digest(found["token"], self.server.token):
            self._not_found()
            return
        self._page(found["rest"])

    def _page(self, rest: str) -> None:
        shelf = self.server.shelf
        if rest in ("", "runs.part"):
            runs = shelf.runs()
            self._answer(200, pages.list_part(runs) if rest else pages.list_page(shelf.root, runs))
            return
        found = RUN.fullmatch(rest)
        run = None if found is None else shelf.runs().get(found["name"])
        if found is None or run is None:
            self._not_found()
        elif found["kind"] == "/report.html":
            self._report(run.folder / PAGE_NAME)
        else:
            made = pages.run_part if found["kind"] else pages.run_page
            self._answer(200, made(found["name"], run))

    def _report(self, file: Path) -> None:
        try:
            content = file.read_bytes()
        except OSError:
            self._not_found()
            return
        self._answer(200, content, policy=REPORT_POLICY)

    def _not_found(self) -> None:
        self._answer(
            404,
            "There is no such page. The address that `harness view` printed is the first one.\n",
            "text/plain; charset=utf-8",
        )

    def _answer(self, status: int, content: str | bytes, kind: str = HTML, policy: str = "") -> None:
        body = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy or pages.policy(),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # or a link would carry the token away
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 -- the base class's name
        """Print nothing: a page asks every few seconds."""

"""What becomes of an engine that dies while it answers: played by a server on a socket, since the real one must live."""

from __future__ import annotations

import io
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ImageBuildError, SandboxError
from harness.runners.engine.client import Engine

VERSION = b'{"ApiVersion": "1.41"}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(VERSION), VERSION)
BROKEN_OFF = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n{"stream":"Step 1"}\r\n'


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        wanted = self.rfile.readline()
        self.wfile.write(WHOLE if b"/version" in wanted else BROKEN_OFF)


@pytest.fixture
def dying_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Says which version it is, and breaks off every other answer."""
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine.sock'}")
        yield Engine.connect()
        server.shutdown()


def test_an_engine_that_dies_during_a_build_is_a_failure_of_the_sandbox(dying_engine: Engine) -> None:
    with pytest.raises(SandboxError, match="building the image new"):
        dying_engine.build(io.BytesIO(b""), tag="new", arguments={}, labels={})


def test_an_engine_that_dies_during_a_fetch_is_a_failure_to_fetch(dying_engine: Engine) -> None:
    with pytest.raises(ImageBuildError, match="could not be pulled"):
        dying_engine.pull("some:image")

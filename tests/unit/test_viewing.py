"""The local view answers to its own address alone, and shows every run as a text."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import RunNotFoundError, UsageError
from harness.report.page import write_page
from harness.report.writing import write_report
from harness.viewing import ViewServer
from harness.viewing.shelf import Shelf, run_name
from tests.unit.report.examples import build_report, outcome, plugin_error
from tests.unit.shelf import begin, finish, stop

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\x1b[31m\u202e"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    finish(tmp_path / "done")
    write_page(build_report(), tmp_path / "done")
    stop(tmp_path / "stopped", ended=3, models=8)
    finish(tmp_path / "damaged")
    (tmp_path / "damaged" / "report.json").write_text("{")
    return tmp_path


@pytest.fixture
def server(runs: Path) -> Iterator[ViewServer]:
    with ViewServer(runs) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: ViewServer, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str, dict[str, str]]:
    """Return status, text and headers of the answer to a request; a path without a slash is below the token."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    whole = path if path.startswith("/") else f"/{server.token}/{path}"
    connection.request(method, whole, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, dict(answer.getheaders())


def test_the_page_lists_all_runs_and_links_to_each(server: ViewServer, runs: Path) -> None:
    status, text, headers = ask(server, "")

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "1 finished, 1 interrupted, 1 damaged" in text
    for name in ("done", "stopped", "damaged"):
        link = f"run/{run_name(runs / name)}"
        assert f'href="{link}"' in text
        assert ask(server, link)[0] == 200


def test_a_part_is_what_its_page_shows(server: ViewServer, runs: Path) -> None:
    for path in ("", f"run/{run_name(runs / 'stopped')}"):
        part = ask(server, f"{path}.part" if path else "runs.part")[1]
        assert part.strip()
        assert part.strip() in ask(server, path)[1]
        assert "<html" not in part


def test_a_runs_page_has_progress_failures_output_and_report(server: ViewServer, runs: Path) -> None:
    store = begin(runs / "busy", models=4)
    for one in (outcome(0), plugin_error(1, "bad rate", log="epoch 1\nepoch 2")):
        store.begin_model(one.index)
        store.finish_model(one, None)
    text = ask(server, f"run/{run_name(runs / 'busy')}")[1]

    assert "2 of 4 models have ended, 1 were returned" in text
    assert "ValueError: bad rate" in text
    assert "epoch 1\nepoch 2" in text
    assert "harness resume" in text
    assert "report.html" not in text

    done = f"run/{run_name(runs / 'done')}"
    assert f'href="{run_name(runs / "done")}/report.html"' in ask(server, done)[1]
    status, report, headers = ask(server, f"{done}/report.html")
    assert (status, report) == (200, (runs / "done" / "report.html").read_text())
    assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts")


def test_a_page_changes_with_its_runs(server: ViewServer, runs: Path) -> None:
    before = ask(server, "runs.part")[1]
    assert ask(server, "runs.part")[1] == before

    finish(runs / "new")
    stopped = runs / "stopped"
    write_report(build_report(outcomes=[outcome(index) for index in range(3)]), stopped)
    after = ask(server, "runs.part")[1]

    assert "3 finished, 1 damaged" in after


def test_settled_runs_are_read_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    from harness.viewing import shelf as module

    original = module.read_entry
    monkeypatch.setattr(module, "read_entry", lambda folder: (read.append(folder.name), original(folder))[1])
    shelf = Shelf(runs)
    shelf.runs()
    shelf.runs()

    assert sorted(read) == ["damaged", "done", "stopped", "stopped"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs.part",
        "/wrong-token-wrong/",
        "run/",
        "run/0123456789abcdef",
        "run/../../etc/passwd",
        "../done/report.json",
        "%2e%2e/done/report.json",
        "done/report.json",
        "run/0123456789abcdef/run.json",
        "runs.part?x=1",
    ],
)
def test_no_other_address_has_a_page(server: ViewServer, path: str) -> None:
    status, text, _ = ask(server, path)

    assert status == 404
    assert "done" not in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_request_under_another_name_is_refused(server: ViewServer, host: str) -> None:
    assert ask(server, "", host=host)[0] == 403
    assert ask(server, "", host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(server: ViewServer, method: str) -> None:
    assert ask(server, "", method)[0] == 501


def test_only_loopback_is_listened_on(server: ViewServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    assert len(server.token) >= 20


def test_texts_of_plugins_are_escaped(server: ViewServer, runs: Path) -> None:
    finish(runs / "evil", build_report(outcomes=[plugin_error(0, HOSTILE, HOSTILE)], evaluators=()), note=HOSTILE)
    for path in ("", "runs.part", f"run/{run_name(runs / 'evil')}", f"run/{run_name(runs / 'evil')}.part"):
        status, text, headers = ask(server, path)
        assert status == 200
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "\x1b" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    from harness.viewing import pages

    assert "harness run --plugin finetune" in pages.list_page(tmp_path, {})


def test_the_command_prints_its_address_and_ends_with_ctrl_c(runs: Path) -> None:
    command = [sys.executable, "-m", "harness", "view", str(runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 -- loopback
            assert "1 finished" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_a_missing_folder_and_a_taken_port_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        ViewServer(tmp_path / "nowhere")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="Port"):
        ViewServer(tmp_path, taken.getsockname()[1])

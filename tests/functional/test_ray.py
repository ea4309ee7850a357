"""Runs on a real Ray cluster of two nodes: the numbers of a local run, whatever dies."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core.hardware import available_cores
from tests.program import TASK, Ended, Forked, Program, report_of, until
from tests.ray_nodes import Nodes, kill_a_post, posts, two_nodes

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(available_cores() < 2, reason="needs two cores"),
]
MODELS = 6
RUN = (
    "run", "--runner", "process", "--cpus", "1", "--evaluator", "accuracy", "--task", "tiny.yaml", "--models", str(MODELS),
    "--plugin", "finetune", "--set", "epochs=40", "--time-limit", "120",
)  # fmt: skip


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as found:
        yield found


@pytest.fixture
def local(program: Program, tmp_path: Path) -> dict[str, str]:
    """Run undisturbed on this machine, and return the digests of all logits."""
    (tmp_path / "tiny.yaml").write_text(TASK.replace("chunk: 8", "chunk: 2"))
    ended = program(*RUN, "--output", "local")
    assert ended.code == 0, ended.err
    return logits_of(tmp_path / "local")


def logits_of(run: Path) -> dict[str, str]:
    return {path.parent.name: digest(path) for path in sorted(run.glob("models/*/logits.safetensors"))}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def disturbed(program: Program, nodes: Nodes, folder: Path, disturb: Callable[[Forked], None]) -> Ended:
    """Run on the cluster, and disturb it in the middle of the models."""
    process = program.fork(*RUN, *nodes.options, "--output", folder)
    until(process, lambda: len(list(folder.glob("models/*/attempts.json"))) >= 3)
    disturb(process)
    out, err = process.communicate(300.0)
    assert process.returncode is not None
    return Ended(process.returncode, out, err)


def references_of(cache: Path) -> dict[str, str]:
    return {
        str(path.relative_to(cache)): digest(path)
        for path in cache.glob("references/*/*/*")
        if path.suffix == ".safetensors"
    }


@pytest.mark.slow
def test_two_nodes_give_the_numbers_and_the_reference_models_of_one_machine(
    program: Program, local: dict[str, str], nodes: Nodes, shared_cache: Path, tmp_path: Path
) -> None:
    nodes.complete()
    built = program(
        "references",
        "build",
        "tiny.yaml",
        "--models",
        str(MODELS),
        *nodes.options,
        HARNESS_CACHE_DIR=str(tmp_path / "c"),
    )
    assert built.code == 0, built.err
    ended = program(*RUN, *nodes.options, "--output", "ray", HARNESS_CACHE_DIR=str(tmp_path / "c"))

    assert ended.code == 0, ended.err
    assert logits_of(tmp_path / "ray") == local
    own, shared = references_of(tmp_path / "c"), references_of(shared_cache)
    assert own
    assert {name: shared.get(name) for name in own} == own
    assert posts() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["post", "node", "frozen"])
def test_a_run_that_loses_a_post_or_a_node_ends_with_the_same_numbers_and_tells_it(
    program: Program, local: dict[str, str], nodes: Nodes, tmp_path: Path, how: str
) -> None:
    nodes.complete()
    disturb = {"post": kill_a_post, "node": nodes.kill_node, "frozen": nodes.freeze_node}[how]
    ended = disturbed(program, nodes, tmp_path / "ray", lambda _: disturb())
    if how == "frozen":
        nodes.thaw()

    assert ended.code == 0, ended.err
    assert logits_of(tmp_path / "ray") == local
    told = [text for model in report_of(tmp_path / "ray")["models"] for text in model["earlier_attempts"]]
    if how == "frozen":  # a post answers without its raylet until the cluster takes the node for dead
        assert len(told) <= 1
    else:
        assert len(told) == 1
    assert all(text.startswith("lost: ") for text in told)


@pytest.mark.slow
def test_a_signal_drains_a_run_which_is_resumed_with_the_same_numbers(
    program: Program, local: dict[str, str], nodes: Nodes, tmp_path: Path
) -> None:
    nodes.complete()
    ended = disturbed(program, nodes, tmp_path / "ray", lambda process: process.send_signal(signal.SIGUSR1))

    assert ended.code == 130, ended.err
    assert "harness resume" in ended.err
    begun, done = (
        {path.parent.name for path in (tmp_path / "ray").glob(f"models/*/{name}.json")}
        for name in ("attempts", "outcome")
    )
    assert begun == done != set(local)
    assert program("resume", tmp_path / "ray").code == 0
    assert logits_of(tmp_path / "ray") == local


@pytest.mark.slow
def test_a_killed_program_takes_its_posts_along_and_is_resumed_with_the_same_numbers(
    program: Program, local: dict[str, str], nodes: Nodes, tmp_path: Path
) -> None:
    nodes.complete()
    disturbed(program, nodes, tmp_path / "ray", lambda process: os.kill(process.pid, signal.SIGKILL))
    assert program("reap", *nodes.options).code == 0

    assert program("resume", tmp_path / "ray").code == 0
    assert logits_of(tmp_path / "ray") == local
    assert posts() == []


@pytest.mark.slow
def test_a_cluster_with_a_token_is_used_by_who_has_it(program: Program, tmp_path: Path) -> None:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 32}
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_nodes", tmp_path / "nodes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **token},
    )
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        address = next(line.strip() for line in started.stdout if re.fullmatch(r"[0-9.]+:[0-9]+", line.strip()))
        command = ("doctor", "--engine", "ray", "--address", address)
        checked = program.afresh(*command, **token)
        assert "2 nodes of 1 kinds can work" in " ".join(checked.out.split())
        refused = program.afresh(*command, **{**token, "RAY_AUTH_TOKEN": "b" * 32})
        assert "No Ray cluster answers" in " ".join(refused.out.split())
    finally:
        started.stdin.close()
        started.wait(60.0)
        started.stdout.close()


@pytest.mark.slow
def test_a_token_of_this_program_does_not_make_an_open_cluster_safe(program: Program, nodes: Nodes) -> None:
    nodes.complete()
    checked = program("doctor", *nodes.options[:-1], RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 32)

    assert "can run code on all of its nodes" in " ".join(checked.out.split())


@pytest.mark.slow
def test_doctor_and_reap_speak_of_every_node(program: Program, nodes: Nodes) -> None:
    nodes.complete()
    checked = program("doctor", *nodes.options)
    assert "2 nodes of 1 kinds can work" in " ".join(checked.out.split())

    assert program("reap", *nodes.options).code == 0
    assert posts() == []


def test_a_cluster_that_would_run_anybodys_code_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TASK)
    ended = program(*RUN, "--engine", "ray", "--output", "r", RAY_AUTH_MODE="disabled")

    assert ended.code == 36
    assert "--insecure-cluster" in ended.err
    assert not (tmp_path / "r").exists()

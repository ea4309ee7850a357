"""Chunks that are trained on other machines: nodes that die while files come, and what is left in the cache."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from harness.core.cache import Cache, file_sha256
from harness.errors import CacheError, SandboxError
from harness.posts.files import Files
from harness.posts.post import PostLostError
from harness.posts.remote import RemotePost
from harness.posts.trainers import PostTrainers
from harness.references.worker_pool import TrainingJob
from tests.unit.posts.fakes import ThreadLine

PIECES = (b"first piece, ", b"second piece")


class TrainingNode:
    """A node that trains by reading the data; it dies at a call of the given name, the given number of times."""

    def __init__(self, name: str, folder: Path, dies_at: str = "") -> None:
        self.name, self.dies_at, self.files = name, dies_at, Files(folder / name)
        self.sent: list[str] = []
        self.released = threading.Event()
        self.done = b""

    def _reach(self, what: str) -> None:
        if what == self.dies_at:
            raise PostLostError(f"node {self.name} died")

    def has(self, digest: str, _path: str) -> bool:
        return self.files.has(digest, "/nowhere")  # another machine

    def put(self, digest: str, name: str, data: bytes, last: bool) -> None:
        self._reach("put")
        self.sent.append(digest)
        self.files.put(digest, name, data, last=last)

    def work(self, _number: int, job: TrainingJob, files: Mapping[str, str]) -> dict[str, int]:
        self._reach("work")
        self.done = self.files.path(files[job.data_file]).read_bytes() + b"".join(PIECES)
        return {"weights": len(self.done)}

    def progress(self, _number: int) -> tuple[int, int]:
        return 1, 2

    def piece(self, _number: int, _name: str, offset: int) -> bytes:
        if offset:
            self._reach("piece")
        return self.done[offset : offset + 9]

    def drop(self, _number: int) -> None:
        self._reach("drop")

    def stop(self) -> None:
        return None


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    (tmp_path / "data").write_bytes(b"data, ")
    return TrainingJob(
        data_file=str(tmp_path / "data"), model={}, recipe={}, sizes={}, n_train=1, seeds=[1], device="cpu"
    )


def trainers(*nodes: TrainingNode) -> PostTrainers:
    return PostTrainers([RemotePost(node.name, ThreadLine(node)) for node in nodes], patience_s=0.0)


def build(job: TrainingJob, crew: PostTrainers, root: Path) -> Path:
    inputs: dict[str, Any] = {"seeds": job.seeds}
    return Cache("references", root).get_or_build(inputs, lambda to: crew.work(to, job, lambda *_: None))[0]


@pytest.mark.parametrize("dies_at", ["put", "work", "piece"])
def test_a_node_that_dies_while_it_trains_leaves_no_half_entry(job: TrainingJob, tmp_path: Path, dies_at: str) -> None:
    with pytest.raises(SandboxError, match="All nodes were lost"):
        build(job, trainers(TrainingNode("a", tmp_path, dies_at)), tmp_path)
    assert not list(Cache("references", tmp_path).entries())
    assert not list((tmp_path / "references").glob("*/*/*"))

    nodes = TrainingNode("a", tmp_path, dies_at), TrainingNode("b", tmp_path)
    folder = build(job, trainers(*nodes), tmp_path)

    assert (folder / "weights").read_bytes() == b"data, first piece, second piece"


def test_a_chunk_that_is_lost_on_two_nodes_is_given_up(job: TrainingJob, tmp_path: Path) -> None:
    nodes = [TrainingNode(name, tmp_path, "work") for name in "abc"]
    with pytest.raises(CacheError, match=r"lost on two nodes: node [abc] died"):
        build(job, trainers(*nodes), tmp_path)


def test_data_are_sent_to_a_node_once_and_by_content(job: TrainingJob, tmp_path: Path) -> None:
    node = TrainingNode("a", tmp_path)
    crew = trainers(node)
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        crew.work(tmp_path / str(number), job, lambda *_: None)

    assert node.sent == [file_sha256(Path(job.data_file))]


def test_a_file_that_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="was changed on its way"):
        Files(tmp_path).put("0" * 64, "x", b"other", last=True)
    assert not cast("list[Path]", list(tmp_path.iterdir()))

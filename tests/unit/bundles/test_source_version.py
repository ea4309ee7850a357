"""Versions that builds take from git, of which the copy that is built has nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.runners.bundles.source_version import git_version, version_variables


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    return tmp_path


@pytest.mark.parametrize(
    ("tag", "commits", "expected"),
    [
        ("v0.1", 0, "0.1"),
        ("1.2.3", 2, "1.2.4.dev2+g"),
        ("mine-2.0", 1, "2.1.dev1+g"),
        ("release/v3.0rc1", 1, "3.0.dev1+g"),
        ("v1.0.post1", 0, "1.0.post1"),
        ("2024-01-no-version", 0, "0.1.dev0+g"),
        (None, 1, "0.1.dev0+g"),
    ],
)
def test_a_version_follows_from_the_nearest_tag(repository: Path, tag: str | None, commits: int, expected: str) -> None:
    if tag is not None:
        git(repository, "tag", tag)
    for _ in range(commits):
        git(repository, "commit", "-q", "--allow-empty", "-m", "y")
    (repository / "package").mkdir()

    assert (git_version(repository / "package") or "").startswith(expected)


def test_nothing_of_the_repository_is_run(repository: Path) -> None:
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand"):
        git(repository, "config", key, f"touch {repository}/ran; false")
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {repository}/ran\n")
        (hooks / name).chmod(0o755)

    assert git_version(repository)
    assert not (repository / "ran").exists()


def test_without_a_repository_or_git_the_known_version_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_version(tmp_path) is None
    assert version_variables(tmp_path, ["setuptools-scm"], "4.0") == {"SETUPTOOLS_SCM_PRETEND_VERSION": "4.0"}
    monkeypatch.setenv("PATH", "/nonexistent")
    assert version_variables(tmp_path, ["hatch-vcs", "pbr"], "4.0") == {
        "SETUPTOOLS_SCM_PRETEND_VERSION": "4.0",
        "PBR_VERSION": "4.0",
    }
    assert version_variables(tmp_path, ["setuptools-scm"]) == {}


def test_what_the_user_has_set_is_handed_on_and_other_builds_are_left_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MINE", "9")
    git(repository, "tag", "v1.0")

    assert version_variables(repository, ["setuptools-scm"]) == {
        "SETUPTOOLS_SCM_PRETEND_VERSION": "1.0",
        "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MINE": "9",
    }
    assert version_variables(repository, ["setuptools", "wheel"]) == {}
    assert "SETUPTOOLS_SCM_PRETEND_VERSION" not in os.environ

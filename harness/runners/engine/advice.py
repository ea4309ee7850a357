"""Error messages for a failed connection to the Docker engine."""

from __future__ import annotations

import shutil

OTHERWISE = "Without Docker, `--runner process` runs a plugin you trust, with no isolation."


def advice(error: BaseException, docker_host: str | None) -> str:
    """Return a message with the cause of a failed connection and what to do.

    Args:
        error: exception of the SDK; its text and its chain of causes are searched for the cause.
        docker_host: value of ``DOCKER_HOST``; None if not set.
    """
    text = " ".join(_texts(error))
    if docker_host:
        return (
            f"No Docker engine answers at DOCKER_HOST={docker_host} ({_reason(text)}). "
            f"Correct or unset DOCKER_HOST. {OTHERWISE}"
        )
    if "PermissionError" in text or "Permission denied" in text:
        return (
            "This user may not access the Docker engine (permission denied on its socket). Add the user to the group with "
            f"`sudo usermod -aG docker $USER` and log in again, or use rootless Docker. {OTHERWISE}"
        )
    if shutil.which("dockerd") or shutil.which("docker"):
        return (
            f"The Docker engine is not running ({_reason(text)}). "
            f"Start it, e.g. `sudo systemctl start docker`. {OTHERWISE}"
        )
    return f"Docker is not installed ({_reason(text)}). Install Docker Engine, then try again. {OTHERWISE}"


def podman_advice(error: BaseException, host: str) -> str:
    """Return a message for Podman's service at the address ``host``; see :func:`advice`."""
    return (
        f"No Podman service answers at {host} ({_reason(' '.join(_texts(error)))}). Start it with "
        "`systemctl --user start podman.socket` (as root: `systemctl start podman.socket`), or without systemd with "
        f"`podman system service --time=0 {host} &`; CONTAINER_HOST names another socket. {OTHERWISE}"
    )


def _texts(error: BaseException) -> list[str]:
    texts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(texts) < 10:
        texts.append(f"{type(current).__name__}: {current}")
        current = current.__cause__ or current.__context__
    return texts


def _reason(text: str) -> str:
    known = {
        "FileNotFoundError": "its socket does not exist",
        "ConnectionRefused": "the connection was refused",
        "timed out": "it did not answer in time",
        "Name or service not known": "the host name is not known",
        "PermissionError": "permission denied",
    }
    return next((words for mark, words in known.items() if mark in text), text[:200])

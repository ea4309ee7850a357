"""Which images are no longer needed."""

from __future__ import annotations

from harness.runners.images import SandboxImage, superfluous


def image(kind: str, tag: str, torch: str = "2.13.0", id_: str = "sha256:0") -> SandboxImage:
    return SandboxImage(kind, tag, id_, torch, "3.11.2", "base", 1200.0, "2026-01-01T00:00:00Z")


def test_plugins_and_all_but_the_newest_guest_of_each_torch_are_superfluous() -> None:
    rows = [
        image("torch", "torch:a"),
        image("guest", "guest:new"),
        image("guest", "guest:other", torch="2.6.0"),
        image("guest", "guest:old"),
        image("plugin", "plugin:p"),
    ]

    assert superfluous(rows) == ["plugin:p", "guest:old"]


def test_what_has_no_name_is_left_to_the_engine() -> None:
    assert superfluous([image("plugin", "sha256:1", id_="sha256:1")]) == []

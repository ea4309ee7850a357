"""Which images are no longer needed."""

from __future__ import annotations

from harness.runners.images.listing import SandboxImage, superfluous


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


def test_a_guest_without_a_name_may_be_what_others_stand_on() -> None:
    assert superfluous([image("guest", "sha256:1", id_="sha256:1")]) == []


def test_a_plugin_without_a_name_is_superfluous() -> None:
    assert superfluous([image("plugin", "sha256:1", id_="sha256:1")]) == ["sha256:1"]

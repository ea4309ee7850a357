"""Large pages, in a process of its own: what it holds stays what it was, and the kernel says in which pages it lies."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

GATHERED = """
import re
from pathlib import Path
from harness_guest.pages import gather
held = [bytes([i % 256]) * 5000 for i in range(4000)]
before, found = hash(tuple(held)), gather()
large = sum(map(int, re.findall(r"AnonHugePages: +([0-9]+) kB", Path("/proc/self/smaps").read_text())))
print(found >> 20, large >> 10, before == hash(tuple(held)))
"""


def _kernel() -> tuple[int, int]:
    major, minor = platform.release().split(".")[:2]
    return int(major), int(minor)


def _printed() -> list[str]:
    done = subprocess.run([sys.executable, "-c", GATHERED], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_a_process_holds_stays_what_it_was() -> None:
    assert _printed()[2] == "True"


@pytest.mark.skipif(sys.platform != "linux" or _kernel() < (6, 1), reason="the kernel cannot gather pages")
def test_the_kernel_holds_it_in_large_pages() -> None:
    found, large, _ = map(str, _printed())

    assert int(found) >= 2
    assert int(large) >= 2

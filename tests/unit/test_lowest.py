"""What ``tox -e lowest`` installs are the lower bounds that the package states."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHOSEN_BY_TOX = r"(pip|torch)>="


def test_the_pins_are_the_bounds_of_the_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    stated = [line for line in setup["options"]["install_requires"].splitlines() if line]
    pinned = [line for line in (ROOT / "tests" / "lowest.txt").read_text().splitlines() if not line.startswith("#")]

    assert pinned == [line.replace(">=", "==") for line in stated if not re.match(CHOSEN_BY_TOX, line)]

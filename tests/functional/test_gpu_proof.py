"""The whole proof in its dry run: every part, the file, the page; and the command that a machine without network is given."""

from __future__ import annotations

import configparser
import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import PARTS, main
from benchmarks.gpu.proof import FILE

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_dry_run_does_every_part_and_writes_the_page(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(shared_cache))
    docs = tmp_path / "docs"
    docs.mkdir()
    given = ["--dry-run", "--minutes", "20", "--output", str(tmp_path / "proof"), "--docs", str(docs), "--write"]

    main(given)

    found = json.loads((tmp_path / "proof" / FILE).read_text())["parts"]
    assert {name: one["status"] for name, one in found.items()} == {part.name: "done" for part in PARTS}
    assert len(found["speed"]["found"]["ratios"]) == 4
    assert found["runs"]["found"]["methods"]["noop"]["finished"] == 2
    assert found["agreement"]["found"]["largest_gap"] == 0  # the same device twice
    page = (docs / "gpu.md").read_text()
    assert page.endswith("\n")
    assert "## Training" in page
    assert "| resnet9 bfloat16" in capsys.readouterr().out
    assert (docs / "gpu" / "speed.csv").read_text().count("\n") > 10
    before = (tmp_path / "proof" / FILE).read_bytes()
    main(given)
    assert (tmp_path / "proof" / FILE).read_bytes() == before


@pytest.mark.parametrize("script", ["prove.sh", "container.sh"])
def test_a_script_is_sound(script: str) -> None:
    assert subprocess.run(["bash", "-n", str(ROOT / "benchmarks/gpu" / script)], check=False).returncode == 0


def test_the_list_of_packages_names_all_that_the_harness_needs_beside_torch() -> None:
    listed = {
        line.split(">")[0].strip()
        for line in (ROOT / "benchmarks/gpu/requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"].split("\n")
    needed = {line.split(">")[0].split(";")[0].strip() for line in wanted if line.strip()}
    assert needed - listed == {"numpy", "pip", "scipy", "tomli", "torch"}

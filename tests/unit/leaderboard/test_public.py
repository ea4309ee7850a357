"""A public site has nothing of a report but what is meant to be published."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.core.outcomes import Evidence, LogCapture
from harness.errors import OutputUnwritableError, UsageError
from harness.leaderboards.public import Commitments
from harness.report.document import Report
from tests.unit.comparing.samples import report
from tests.unit.leaderboard.ground import files_of, save

CANARY = "canary-7Qx"
SEED = 731234567


def secret(name: str, auc: float, **definition: Any) -> Report:
    """Return a report with a canary in every field that may hold a secret."""
    made = report(name, auc)
    models = tuple(
        replace(
            one,
            seed=SEED,
            advice=CANARY,
            earlier_attempts=(CANARY,),
            attempts=2,
            log=LogCapture(head=CANARY, tail=CANARY),
            evidence=Evidence(error_type=CANARY, error_message=CANARY, traceback=CANARY, notes=(CANARY,)),
        )
        for one in made.models
    )
    metrics = tuple(replace(one, note=CANARY) for one in made.evaluators[0].metrics)
    return made.model_copy(
        update={
            "task": made.task.model_copy(
                update={"definition": {"seed": SEED, "ids": [CANARY], **definition}, "source": f"/home/{CANARY}.yaml"}
            ),
            "plugin": replace(made.plugin, value=CANARY, location=f"/{CANARY}", files={CANARY: CANARY}),
            "seeds": made.seeds.model_copy(update={"run": SEED, "references": SEED, "models": (SEED,) * len(models)}),
            "populations": made.populations.model_copy(
                update={
                    "retrained": made.populations.retrained.model_copy(
                        update={"cache_key": CANARY, "origins": (f"imported from /{CANARY}",)}
                    )
                }
            ),
            "models": models,
            "tags": (CANARY,),
            "note": CANARY,
            "evaluators": (
                made.evaluators[0].model_copy(update={"metrics": metrics, "warnings": (CANARY,)}),
                *made.evaluators[1:],
            ),
            "budget": made.budget.model_copy(update={"measured_on": CANARY}),
            "cache_keys": {"data": CANARY},
            "warnings": (CANARY,),
        }
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, auc in (("finetune", 0.8), ("scrub", 0.6)):
        save(tmp_path / "runs", name, secret(name, auc))
    return tmp_path / "runs"


def built(runs: Path, site: Path, *options: str) -> dict[str, bytes]:
    result = CliRunner().invoke(cli, ["leaderboard", str(runs), "-o", str(site), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return files_of(site)


def everything(files: dict[str, bytes]) -> bytes:
    return b"\n".join((*files.values(), *(name.encode() for name in files)))


def test_no_byte_of_a_public_site_is_of_a_secret(runs: Path, tmp_path: Path) -> None:
    public, plain = built(runs, tmp_path / "site", "--public"), built(runs, tmp_path / "plain")

    digest = report().task.data_digest.encode()
    for hidden in (CANARY.encode(), str(SEED).encode(), digest, digest[:16], str(tmp_path).encode(), b"run-finetune"):
        assert hidden not in everything(public)
    assert CANARY.encode() in everything(plain)
    assert digest in everything(plain)


def test_a_public_site_has_the_same_ranks_and_numbers(runs: Path, tmp_path: Path) -> None:
    public, plain = (
        json.loads(built(runs, tmp_path / name, f"--{name}")["leaderboard.json"]) for name in ("public", "no-public")
    )

    for key in ("label", "rank", "way", "metrics", "seconds", "verdict"):
        assert [row[key] for row in public["boards"][0]["rows"]] == [row[key] for row in plain["boards"][0]["rows"]]
    assert (public["public"], plain["public"]) == (True, False)


def test_other_data_stay_apart_and_the_same_data_have_the_same_commitment(runs: Path, tmp_path: Path) -> None:
    save(runs, "other", secret("other", 0.7, more=1))

    files = built(runs, tmp_path / "site", "--public")
    again = built(runs, tmp_path / "again", "--public", "--key", str(tmp_path / "site.key"))
    anew = built(runs, tmp_path / "anew", "--public")

    boards = json.loads(files["leaderboard.json"])["boards"]
    assert sorted(len(one["rows"]) for one in boards) == [1, 2]
    assert files["leaderboard.json"] == again["leaderboard.json"] != anew["leaderboard.json"]


def test_the_key_is_its_owners_alone_and_lies_outside_the_site(runs: Path, tmp_path: Path) -> None:
    files = built(runs, tmp_path / "site", "--public")

    key = tmp_path / "site.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes().strip() not in everything(files)


def test_the_key_of_the_working_directory_lies_beside_it(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path / "site")

    built(runs, Path(), "--public")

    assert (tmp_path / "site.key").is_file()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_a_key_that_would_be_published_is_refused(runs: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"

    result = CliRunner().invoke(
        cli, ["leaderboard", str(runs), "-o", str(site), "--public", "--key", str(site / "key")]
    )

    assert result.exit_code == UsageError.exit_code
    assert "would be published" in result.output
    assert not site.exists()


def test_a_task_that_is_marked_as_secret_is_public_by_default(tmp_path: Path) -> None:
    save(tmp_path / "runs", "finetune", secret("finetune", 0.8, secret=True))

    assert CANARY.encode() not in everything(built(tmp_path / "runs", tmp_path / "site"))
    assert CANARY.encode() in everything(built(tmp_path / "runs", tmp_path / "open", "--no-public"))


@pytest.mark.parametrize("content", ["", "zz", "00ff"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)

    with pytest.raises(OutputUnwritableError, match="is no key of a leaderboard"):
        Commitments.of_file(tmp_path / "key")


@pytest.mark.parametrize("run", ["run-scrub", "{runs}/scrub", "{runs}/scrub/report.json"])
@pytest.mark.parametrize("option", ["--public", "--no-public"])
def test_an_excluded_run_leaves_its_name_and_the_reason(runs: Path, tmp_path: Path, run: str, option: str) -> None:
    files = built(runs, tmp_path / "site", option, "--exclude", f"{run.format(runs=runs)}=copied = as is")

    made = json.loads(files["leaderboard.json"])
    assert [row["label"] for board in made["boards"] for row in board["rows"]] == ["finetune"]
    assert [(one["plugin"], one["reason"]) for one in made["excluded"]] == [("scrub", "copied = as is")]
    assert b"copied = as is" in files["index.html"]
    assert not any("scrub" in name for name in files)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run-scrub", "write RUN=REASON"),
        ("run-scrub=", "write RUN=REASON"),
        ("nowhere=late", "no run has this id or folder; runs: run-finetune (finetune), run-scrub (scrub)"),
    ],
)
def test_an_exclusion_that_names_no_run_is_refused(runs: Path, tmp_path: Path, text: str, words: str) -> None:
    result = CliRunner().invoke(cli, ["leaderboard", str(runs), "-o", str(tmp_path / "site"), "--exclude", text])

    assert result.exit_code != 0
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "site").exists()

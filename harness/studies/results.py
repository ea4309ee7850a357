"""The results of a study: what every setting reached, which setting of a method is chosen, and how the methods rank.

How many settings of a method were tried is part of its result: the best of many looks better than it is. So where any method
has several, the setting is chosen by one half of the models of all populations, and its numbers come from the other half.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.comparing.comparison import Point, TradeOff
from harness.comparing.trade_off import check_names, forgetting_metric, trade_off_of
from harness.core.progress import Progress
from harness.leaderboards.board import Ranked
from harness.leaderboards.ranking import ranks
from harness.plugins.discovery import find_task
from harness.report.document import Report
from harness.studies.definition import Cell, Study, short_name
from harness.studies.running import CELLS, Ended, Failed, results_of
from harness.studies.scores import HALVES, Score, halves_of, mean_score, score_of

TOO_FEW = "the forgetting of half of the models is undefined: give more models"
NOT_ENDED = "not all of its runs have ended"
NO_RUN = "none of its runs returned a model"


@dataclass(frozen=True)
class Setting:
    """A method with certain options on a task, under a budget: its runs differ in the seed.

    Attributes:
        plugin, options, task, budget: what its runs have in common; budget None is the task's.
        runs: each run and its result; None if it has not ended.
        score: by all models.
        halves: by the half that settings are chosen by, and by the other one; None if they are not needed or undefined.
    """

    plugin: str
    options: tuple[tuple[str, object], ...]
    task: str
    budget: float | None
    runs: tuple[tuple[Cell, Ended | None], ...]
    score: Score
    halves: tuple[Score, Score] | None = None

    @property
    def label(self) -> str:
        """Return the method with its options."""
        return " ".join([short_name(self.plugin), *(f"{name}={json.dumps(value)}" for name, value in self.options)])

    @property
    def reports(self) -> tuple[Report, ...]:
        """Return the reports of its runs in which a model finished."""
        return tuple(one for _, one in self.runs if isinstance(one, Report) and one.status != "failed")


@dataclass(frozen=True)
class Standing:
    """A method among others.

    Attributes:
        method: its name.
        tried: number of settings that were tried.
        chosen: the setting; None if none could be chosen.
        why: why none could be chosen, or a caveat; empty if there is nothing to tell.
        score: of the chosen setting: by the half of the models that it was not chosen by, else by all.
        rank: by the intervals of what was forgotten; None without one.
    """

    method: str
    tried: int
    chosen: Setting | None
    why: str
    score: Score
    rank: Ranked | None = None


@dataclass(frozen=True)
class Board:
    """The results on one task, under one budget.

    Attributes:
        task: its name.
        budget: share of retraining; None for the task's.
        forgetting, utility: names of the metrics.
        halved: settings were chosen by one half of the models.
        settings: in the order of the study.
        standings: best first.
        trade_off: of all settings; None if fewer than two have a position.
    """

    task: str
    budget: float | None
    forgetting: str
    utility: str
    halved: bool
    settings: tuple[Setting, ...]
    standings: tuple[Standing, ...]
    trade_off: TradeOff | None


@dataclass(frozen=True)
class StudyResults:
    """The results of a study so far.

    Attributes:
        study: the study.
        folder: its folder.
        boards: one for each task and budget.
        runs: each run with its result; None if it has not ended.
    """

    study: Study
    folder: Path
    boards: tuple[Board, ...]
    runs: tuple[tuple[Cell, Ended | None], ...]

    @property
    def waiting(self) -> int:
        """Return the number of runs that have not ended."""
        return sum(one is None for _, one in self.runs)

    @property
    def failed(self) -> tuple[tuple[Cell, Failed], ...]:
        """Return the runs that could not be made."""
        return tuple((cell, one) for cell, one in self.runs if isinstance(one, Failed))


def study_results(study: Study, folder: Path, progress: Progress) -> StudyResults:
    """Return the results of a study so far.

    Raises:
        UsageError: no run has a metric that the study's choice names.
    """
    runs = tuple(results_of(study, folder))
    reports = [one for _, one in runs if isinstance(one, Report) and one.status != "failed"]
    choice = study.definition.choice
    forgetting = choice.forgetting or forgetting_metric(reports)
    if reports:
        check_names(reports, forgetting, choice.utility)
    groups: dict[tuple[str, float | None], list[tuple[Cell, Ended | None]]] = {}
    for cell, result in runs:
        groups.setdefault((cell.config.task, cell.config.budget_fraction), []).append((cell, result))
    boards = []
    with progress.step("comparing", len(groups)) as step:
        for members in groups.values():
            boards.append(_board(members, forgetting, study, folder, progress))
            step.advance()
    return StudyResults(study, folder, tuple(boards), runs)


def _board(
    members: Sequence[tuple[Cell, Ended | None]], forgetting: str, study: Study, folder: Path, progress: Progress
) -> Board:
    grouped: dict[tuple[str, str], list[tuple[Cell, Ended | None]]] = {}
    for cell, result in members:
        key = (cell.config.plugin, json.dumps(cell.config.options, sort_keys=True))
        grouped.setdefault(key, []).append((cell, result))
    methods = list(dict.fromkeys(plugin for plugin, _ in grouped))
    halved = len(grouped) > len(methods)
    utility = study.definition.choice.utility
    settings = []
    for runs in grouped.values():
        first = runs[0][0].config
        ended = [(cell, one) for cell, one in runs if isinstance(one, Report) and one.status != "failed"]
        halves = None
        if halved and ended and len(ended) == len(runs):
            found = [
                halves_of(
                    report,
                    folder / CELLS / cell.name,
                    folder / HALVES / f"{cell.name}.json",
                    forgetting,
                    utility,
                    progress,
                )
                for cell, report in ended
            ]
            halves = mean_score([one for one, _ in found]), mean_score([one for _, one in found])
        score = mean_score([score_of(report, forgetting, utility) for _, report in ended])
        options = tuple(first.options.items())
        settings.append(Setting(first.plugin, options, first.task, first.budget_fraction, tuple(runs), score, halves))
    points = study.definition.choice.utility_points
    standings = [_standing([one for one in settings if one.plugin == name], points, halved=halved) for name in methods]
    return Board(
        task=find_task(settings[0].task).name,
        budget=settings[0].budget,
        forgetting=forgetting,
        utility=utility,
        halved=halved,
        settings=tuple(settings),
        standings=_ranked(standings),
        trade_off=_trade_off(settings, forgetting, utility),
    )


def _standing(settings: Sequence[Setting], points: float, *, halved: bool) -> Standing:
    """Return a method's standing: of the settings that keep utility, the one that forgets most by the first half."""
    method, tried = short_name(settings[0].plugin), settings[0].runs[0][0].config.settings_tried or len(settings)
    if any(result is None for one in settings for _, result in one.runs):
        return Standing(method, tried, None, NOT_ENDED, Score())
    able = [one for one in settings if one.reports]
    if not able:
        return Standing(method, tried, None, NO_RUN, Score())
    if not halved:
        return Standing(method, tried, able[0], "", able[0].score)
    known = [(one, *one.halves) for one in able if one.halves is not None and one.halves[0].forgotten is not None]
    if not known:
        return Standing(method, tried, None, TOO_FEW, Score())
    useful = [one for one in known if _keeps_utility(one[1], points)]
    chosen, _, score = max(useful or known, key=lambda one: one[1].forgotten or 0.0)
    why = "" if useful else f"no setting is within {points:g} points of the utility of retrained models"
    return Standing(method, tried, chosen, why, score)


def _keeps_utility(score: Score, points: float) -> bool:
    if score.utility is None or score.utility_control is None:
        return True
    return score.utility >= score.utility_control - points / 100


def _ranked(standings: Sequence[Standing]) -> tuple[Standing, ...]:
    found = ranks([one.score.ends for one in standings])
    ranked = [
        Standing(one.method, one.tried, one.chosen, one.why, one.score, rank)
        for one, rank in zip(standings, found, strict=True)
    ]
    return tuple(
        sorted(
            ranked,
            key=lambda one: (
                one.rank is None,
                one.rank.first if one.rank else 0,
                -(one.score.forgotten if one.score.forgotten is not None else -1e9),
            ),
        )
    )


def _trade_off(settings: Sequence[Setting], forgetting: str, utility: str) -> TradeOff | None:
    points = [
        Point(
            label=one.label,
            forgetting=one.score.forgotten,
            forgetting_ends=one.score.ends,
            utility=one.score.utility,
            utility_ends=None
            if one.score.utility_low is None or one.score.utility_high is None
            else (one.score.utility_low, one.score.utility_high),
            time_s=one.score.seconds,
            time_ends=None,
        )
        for one in settings
    ]
    first = next((report for one in settings for report in one.reports), None)
    return None if first is None else trade_off_of(points, first, forgetting, utility)

"""Plot of the attack by stratum of memory."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.document import Report
from harness.report.strata import ROWS, STRATA, Stratum, strata_of
from harness.report.svg.drawing import Picture, Scale
from harness.report.svg.figure import Figure, Missing, missing
from harness.report.svg.plots import FRAME
from harness.report.words import POPULATION_WORDS, number

TITLE = "Attack by memorisation"
CHANCE = 0.5


def strata_figure(report: Report) -> Figure | Missing:
    """Return the plot of AUC by stratum, or why it is missing."""
    strata = strata_of(report)
    kinds = tuple(row for row in ROWS if strata and row in strata[0].auc)
    if "unlearned" not in kinds:
        return missing(TITLE, report, STRATA)
    caption = (
        f"AUC of the likelihood-ratio attack on {len(strata)} groups of forgotten examples, by how much the originals remember "
        "them. A method that forgets only what was hardly remembered rises to the right; perfect unlearning looks like the "
        "control."
    )
    if strata[0].auc_interval is not None:
        caption += " Whiskers: 95 %, over models."
    return Figure(TITLE, _drawn(strata, kinds), caption, (*kinds, "mark"))


def _drawn(strata: Sequence[Stratum], kinds: Sequence[str]) -> str:
    ends = [end for one in strata for end in one.auc_interval or ()]
    values = [one.auc[kind] for one in strata for kind in kinds]
    low, high = min([CHANCE, *values, *ends]), max([CHANCE, *values, *ends])
    room = 0.06 * (high - low) or 0.05
    described = "; ".join(
        f"{POPULATION_WORDS[kind]}: {', '.join(number(one.auc[kind]) for one in strata)}" for kind in kinds
    )
    y = Scale(max(0.0, low - room), min(1.0, high + room))
    picture = Picture(FRAME, Scale(0.5, len(strata) + 0.5), y, TITLE, f"AUC, least memorised first. {described}.")
    picture.path([(FRAME.left, FRAME.bottom), (FRAME.right, FRAME.bottom)], "axis")
    for one in strata:
        picture.words(picture.px(one.number), FRAME.bottom + 18, str(one.number))
    picture.words((FRAME.left + FRAME.right) / 2, FRAME.bottom + 36, "stratum of the forget set, most memorised last")
    picture.y_axis("AUC of the attack")
    chance = picture.py(CHANCE)
    picture.path([(FRAME.left, chance), (FRAME.right, chance)], "line mark")
    for kind in kinds:
        points = [(picture.px(one.number), picture.py(one.auc[kind])) for one in strata]
        picture.path(points, f"line {kind}")
        picture.dots(points, kind, POPULATION_WORDS[kind])
    for one in strata:
        if one.auc_interval is not None:
            bottom, top = (picture.py(end) for end in one.auc_interval)
            picture.whisker(bottom, top, picture.px(one.number), "whisker unlearned", upright=True)
    return picture.text()

"""A study in Python: its runs as a table, and its page."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.library.calls import PathLike
from harness.library.frames import pandas_module
from harness.library.showing import ShownProgress, shown
from harness.studies.results import StudyResults, study_results

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class RunStudy(StudyResults):
    """The results of a study; ``boards`` has the methods' standings on each task and budget."""

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row per run, with the columns of ``study.csv``: ``options.NAME`` has the values of an option.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.studies.tables import csv_text

        return pandas_module().read_csv(io.StringIO(csv_text(self)))

    def to_html(self) -> str:
        """Return the self-contained page ``study.html``."""
        from harness.studies.page import page_text

        return page_text(self)


def load_study(folder: PathLike, *, progress: ShownProgress = "auto") -> RunStudy:
    """Return the results so far of the study in a folder, which ``harness study`` made.

    Args:
        folder: of the study.
        progress: see :func:`harness.run`.

    Raises:
        RunNotFoundError: there is no study.
        StudyInvalidError: it is damaged, or of another version of the harness.
    """
    from harness.studies.running import opened

    with shown(progress) as drawn:
        return RunStudy(**vars(study_results(opened(Path(folder)), Path(folder), drawn)))

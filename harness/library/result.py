"""A report as a Python object, with views for terminal, notebook and pandas."""

from __future__ import annotations

import io
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from harness.report.document import Report
from harness.runs.marks import read_marks

if TYPE_CHECKING:
    import pandas

TEXT_WIDTH = 100


class RunReport(Report):
    """The report of one run.

    All of the report's fields are attributes (``report.verdict.level``, ``report.metric("lira", "auc")``,
    ``report.models[0].status``); it is immutable. ``print(report)`` shows the command line's summary, and a notebook shows a
    table.
    """

    _folder: Path | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, report: Report, folder: Path | None) -> RunReport:
        """Return the report with its run folder (None if it has none), and with the tags and the note that the folder has.

        Raises:
            RunNotFoundError: the folder's tags and note are damaged.
        """
        marks = None if folder is None else read_marks(folder)
        made = cls.model_construct(**{**dict(report), **({} if marks is None else vars(marks))})
        made._folder = folder
        return made

    @property
    def folder(self) -> Path | None:
        """Return the folder of ``report.json``, ``report.html`` and the models' records; None if unknown."""
        return self._folder

    def to_dict(self) -> dict[str, Any]:
        """Return the document as plain JSON values, as ``json.loads`` of the file does."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return the document as the text of ``report.json``."""
        from harness.report.writing import report_text

        return report_text(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row per metric; see :func:`harness.library.frames.metrics_frame` for the columns.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.library.frames import metrics_frame

        return metrics_frame(self)

    def models_to_pandas(self) -> pandas.DataFrame:
        """Return one row per model; see :func:`harness.library.frames.models_frame` for the columns.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.library.frames import models_frame

        return models_frame(self)

    def __repr__(self) -> str:
        """Return one line; pydantic's own would list all fields over pages."""
        from harness.report.words import plain

        made = f"{self.finished_models} of {len(self.models)} models"
        return f"<RunReport {plain(self.plugin.name)} on {plain(self.task.name)}: {self.verdict.level}, {made}>"

    def __str__(self) -> str:
        """Return the summary that ``harness run`` prints, without colours."""
        from rich.console import Console

        from harness.report.summary import render_summary

        text = io.StringIO()
        console = Console(file=text, width=TEXT_WIDTH, color_system=None, force_jupyter=False)
        console.print(render_summary(self, self._folder))
        return text.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        from harness.library.html import report_html

        return report_html(self)

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
    ) -> dict[str, str]:
        """Return the HTML table for notebooks, and the summary as plain-text fallback."""
        shown = {"text/html": self._repr_html_, "text/plain": self.__str__}
        return {
            kind: make()
            for kind, make in shown.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }

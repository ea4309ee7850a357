"""A report in the hands of somebody who works in Python: the document itself, with ways to look at it."""

from __future__ import annotations

import io
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from harness.report.model import Report

if TYPE_CHECKING:
    import pandas

TEXT_WIDTH = 100


class RunReport(Report):
    """The report of one run.

    All of the report's fields are attributes (``report.verdict.level``, ``report.metric("lira", "auc")``,
    ``report.models[0].status``); it cannot be changed. ``print(report)`` shows the summary that the command line shows, and
    a notebook shows a table.
    """

    _folder: Path | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, report: Report, folder: Path | None) -> RunReport:
        """The same report with the folder that it was found in, or None where it lies alone."""
        made = cls.model_construct(**dict(report))
        made._folder = folder
        return made

    @property
    def folder(self) -> Path | None:
        """Where ``report.json``, ``report.html`` and the models' records lie; None where that is not known."""
        return self._folder

    def to_dict(self) -> dict[str, Any]:
        """The document as plain JSON values, as ``json.loads`` of the file gives them."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """The document as the text of ``report.json``."""
        from harness.report.writing import report_text

        return report_text(self)

    def to_pandas(self) -> pandas.DataFrame:
        """One row per metric; see :func:`harness.library.frames.metrics_frame` for the columns.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.library.frames import metrics_frame

        return metrics_frame(self)

    def models_to_pandas(self) -> pandas.DataFrame:
        """One row per model; see :func:`harness.library.frames.models_frame` for the columns.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.library.frames import models_frame

        return models_frame(self)

    def __repr__(self) -> str:
        """One line; the fields of a pydantic model would fill pages."""
        from harness.report.words import plain

        made = f"{self.finished_models} of {len(self.models)} models"
        return f"<RunReport {plain(self.plugin.name)} on {plain(self.task.name)}: {self.verdict.level}, {made}>"

    def __str__(self) -> str:
        """The summary that ``harness run`` prints, without colours."""
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
        """For notebooks: the table, and the summary where no HTML can be shown."""
        shown = {"text/html": self._repr_html_, "text/plain": self.__str__}
        return {
            kind: make()
            for kind, make in shown.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }

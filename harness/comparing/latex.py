r"""A comparison as a LaTeX table: methods in rows, metrics in columns, for a document that loads ``booktabs``.

Names of plugins are untrusted: every character with a meaning in TeX is escaped, and non-ASCII characters are written as their
code points. So any engine can typeset them, and no name can run a command.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparing import words
from harness.comparing.comparison import FAMILY_ERROR, Cell, Comparison, Row
from harness.evaluation import Interval
from harness.report.words import NOTHING, number, plain

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": "{-}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "…": r"\ldots{}",
    " ": " ",
}
ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "closer_to_reference": r"$\to$", "none": ""}
MARKS = {"▲": r"\rlap{$^{+}$}", "▼": r"\rlap{$^{-}$}", "≠": r"\rlap{$^{\neq}$}"}
MINUS, NONE = "$-$", "--"


def latex_text(comparison: Comparison) -> str:
    """Return the table, a ``table*`` environment."""
    rows = comparison.rows
    body = [_method(comparison, index) for index in range(len(comparison.methods))]
    return "\n".join(
        [
            r"% Wide: choose columns with --metric. In a one-column document use table instead of table*.",
            r"% Needs \usepackage{booktabs} and \usepackage{textcomp}.",
            r"\begin{table*}",
            r"  \centering",
            r"  \footnotesize",
            rf"  \caption{{{_caption(comparison)}}}",
            r"  \vspace{4pt}",
            r"  \setlength{\tabcolsep}{3pt}",
            rf"  \begin{{tabular}}{{l{'r' * len(rows)}}}",
            r"    \toprule",
            _header(rows),
            r"    \midrule",
            *body,
            r"    \midrule",
            _line(["Perfect (control)", *(_end(row, 0) for row in rows)]),
            _line(["Nothing done (no-op)", *(_end(row, 1) for row in rows)]),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def escape(text: str) -> str:
    """Escape untrusted text for TeX, character by character."""
    return "".join(_escaped(char) for char in plain(text))


def _escaped(char: str) -> str:
    if char in SPECIAL:
        return SPECIAL[char]
    return char if char.isascii() else f"(U+{ord(char):04X})"


def _line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _method(comparison: Comparison, index: int) -> str:
    """Return one line with the numbers and, if there are any, one with their intervals."""
    cells = [_cell(comparison, row, row.cells[index]) for row in comparison.rows]
    return _line([escape(comparison.methods[index].label), *cells]) + _intervals(comparison.rows, index)


def _header(rows: Sequence[Row]) -> str:
    """Return two lines: the evaluators' names, and the metrics' names with their wanted direction."""
    upper = [escape(row.evaluator.replace("_", " ")) for row in rows]
    lower = [f"{escape(row.metric.name.replace('_', ' '))} {ARROWS[row.metric.direction]}".strip() for row in rows]
    return f"{_line(['', *upper])}\n{_line(['Method', *lower])}"


def _cell(comparison: Comparison, row: Row, cell: Cell) -> str:
    if cell.metric is None or cell.metric.value is None:
        return NONE
    said = words.said(comparison, cell)
    return _typeset(number(cell.metric.value, row.metric.unit)) + (MARKS[said.sign] if said else "")


def _intervals(rows: Sequence[Row], index: int) -> str:
    """Return a second line with the intervals, if there are any."""
    found = [row.cells[index].metric for row in rows]
    if not any(metric and metric.interval for metric in found):
        return ""
    ends = [
        _ends(metric.interval if metric else None, row.metric.unit) for metric, row in zip(found, rows, strict=True)
    ]
    return "[-2pt]\n" + _line(["", *(rf"{{\tiny {one}}}" if one else "" for one in ends)])


def _ends(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return ""
    low, high = (_typeset(number(value, unit)).replace(r"\,\%", "") for value in (interval.low, interval.high))
    return f"[{low}, {high}]"


def _typeset(text: str) -> str:
    """Return a formatted number with a true minus sign and a thin space before its unit."""
    digits, _, unit = text.partition(" ")
    sign = MINUS if digits.startswith("-") else ""
    return sign + escape(digits.removeprefix("-")) + (rf"\,{escape(unit)}" if unit else "")


def _end(row: Row, which: int) -> str:
    text = words.ends_of_scale(row)[which]
    return NONE if text == NOTHING else " to ".join(map(_typeset, text.split(" to ")))


def _caption(comparison: Comparison) -> str:
    task, first = escape(comparison.task.name), escape(comparison.methods[0].label)
    what = "Unlearning methods"
    if comparison.kind == "drift":
        what = f"Drift of {escape(comparison.methods[0].report.plugin.name)} with the version of torch"
    judged = (
        rf" $^{{+}}$/$^{{-}}$: {_meaning(comparison)} {first} by more than both intervals explain "
        rf"({comparison.comparisons} comparisons, Holm, {100 * FAMILY_ERROR:g}\,\%)."
        if comparison.comparisons
        else ""
    )
    arrows = r"$\uparrow$: higher is better, $\downarrow$: lower is better, $\to$: wanted is the control's value."
    size = rf"$N={comparison.models}$ models per population"
    return rf"{what} on the task {task}, {size}; below each number its 95\,\% interval over models. {arrows}{judged}"


def _meaning(comparison: Comparison) -> str:
    return "above/below" if comparison.kind == "drift" else "better/worse (nearer to/farther from the control) than"

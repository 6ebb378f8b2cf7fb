"""Reading tables that people keep in spreadsheets: sample sheets and group mappings."""

import csv
import io
import logging
import os
import re
import unicodedata
from itertools import takewhile
from pathlib import Path

import pandas as pd

from mssvae.cohorts._content import SEPARATORS, existing, read_text, readable, separator
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# The cells of a table in a file, by the number of their line.
_Lines = dict[int, list[str]]

# Characters without width are no blanks for Python.
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")


def read_sample_sheet(path: str | os.PathLike) -> pd.DataFrame:
    """Read a table of samples, ``.csv`` or tab-separated; its first column names the samples.

    What spreadsheet programs and R add to such a table is passed over (see ``read_sheet``).

    Returns
    -------
    DataFrame
        One row per sample, indexed by sample name; all cells are text without blanks around it,
        and empty cells are empty strings. A column that the file has twice is there twice.

    Raises
    ------
    InputError
        If the file is damaged or no table, or a sample has no name or occurs twice.
    """
    table = read_sheet(path, "samples")
    names = table.iloc[:, 0]
    if (names == "").any():
        raise InputError(
            f"{path}: line {names.index[names == ''][0]} has cells but no sample name, which must "
            f"be in the first column, {names.name!r}: fill it in or remove the line"
        )
    repeated = names[names.duplicated(keep=False)]
    if len(repeated):
        lines = repeated.index[repeated == repeated.iloc[0]]
        raise InputError(
            f"{path}: {repeated.nunique()} sample names occur more than once, such as "
            f"{repeated.iloc[0]!r} in lines {', '.join(map(str, lines))}: the first column, "
            f"{names.name!r}, must name the samples; make them unique or drop the copies"
        )
    return table.iloc[:, 1:].set_axis(pd.Index(names), axis=0)


def read_sheet(path: str | os.PathLike, what: str) -> pd.DataFrame:
    """Read a table with a heading, ``.csv`` or tab-separated, as text without blanks around it.

    Lines and columns without any text are passed over, and so are comments, which begin with
    ``#``. Where the heading is one cell, other separators are tried. Where each line has one cell
    more than the heading, the first is the name of the row, as R writes it.

    Parameters
    ----------
    what
        What the table is about, for messages.

    Returns
    -------
    DataFrame
        Indexed by the number of the line in the file. A column that the file has twice is there
        twice.

    Raises
    ------
    InputError
        If the file is damaged or empty, or a line has more cells than the heading.
    """
    path = existing(path)
    lines = _without_comments(_split(path, what), path)
    if not lines:
        raise InputError(f"{path}: not a table of {what}: there is no line with text in it")
    heading, *rows = lines.values()
    if _has_row_names(heading, rows):
        logger.warning(
            "%s: lines have one cell more than the heading: the first is taken for the name of the "
            "row, so that %r has %s = %r",
            path,
            rows[0][0],
            heading[0],
            rows[0][1],
        )
        heading = ["", *heading]
    for number, cells in lines.items():
        if any(cells[len(heading) :]):
            raise InputError(
                f"{path}: not a table of {what}: line {number} has {len(cells)} cells but the "
                f"heading, {' | '.join(heading)!r}, has {len(heading)}: give every line as many "
                "cells as the heading, and quote cells that contain what separates cells"
            )
    table = pd.DataFrame(
        [(cells + [""] * len(heading))[: len(heading)] for cells in rows],
        index=list(lines)[1:],
        columns=heading,
        dtype=object,
    )
    return _without_nameless(table, path)


def clean(text: str) -> str:
    """Return a text without invisible characters, with single blanks and only between words."""
    # Letters with accents can be written in two ways.
    return unicodedata.normalize("NFC", " ".join(_INVISIBLE.sub("", text).split()))


def _split(path: Path, what: str) -> _Lines:
    """Return the cells of each line that has text in it."""
    expected, above = separator(path), 0
    with readable(path, what):
        text = read_text(path)
    # Some spreadsheet programs say in the first line what separates cells.
    if said := re.match(r'"?sep=(.)"?\n', text):
        expected, above, text = said[1], 1, text[said.end() :]
    lines, fault = _cells(text, expected)
    if fault or len(_heading(lines)) < 2:
        for mark in SEPARATORS:
            other, other_fault = _cells(text, mark)
            if mark != expected and not other_fault and _is_even(other):
                names = [SEPARATORS.get(each, each) for each in (mark, expected)]
                logger.warning("%s: %s separate its cells, not %s", path, *names)
                lines, fault = other, None
                break
    if fault:
        number, problem = fault
        raise InputError(
            f"{path}: line {number + above} cannot be split into cells by "
            f"{SEPARATORS.get(expected, expected)} ({problem}): are quotation marks missing?"
        )
    return {number + above: cells for number, cells in lines.items()}


def _cells(text: str, mark: str) -> tuple[_Lines, tuple[int, csv.Error] | None]:
    """Split a text into cells; also return the line where that fails, and why."""
    reader = csv.reader(io.StringIO(text), delimiter=mark, strict=True)
    lines, number = {}, 1
    try:
        for row in reader:
            cells = [clean(cell) for cell in row]
            if any(cells):
                lines[number] = cells
            number = reader.line_num + 1  # A cell in quotes may go over several lines.
    except csv.Error as error:
        return lines, (number, error)
    return lines, None


def _heading(lines: _Lines) -> list[str]:
    return next((cells for cells in lines.values() if not cells[0].startswith("#")), [])


def _is_even(lines: _Lines) -> bool:
    """Return whether a table has several columns and all lines but comments have a cell in each."""
    heading, *rows = [cells for cells in lines.values() if not cells[0].startswith("#")] or [[]]
    widths = {len(cells) for cells in rows}
    return widths == {len(heading)} != {1} or _has_row_names(heading, rows)


def _has_row_names(heading: list[str], rows: list[list[str]]) -> bool:
    # Lines that just end with a separator have a cell too much as well.
    return {len(cells) for cells in rows} == {len(heading) + 1} and any(row[-1] for row in rows)


def _without_comments(lines: _Lines, path: Path) -> _Lines:
    """Leave out lines that begin with #: all above the heading, below it those of one cell."""
    above = list(takewhile(lambda number: lines[number][0].startswith("#"), lines))
    below = [number for number in lines if number not in above]
    comments = above + [n for n in below if lines[n][0].startswith("#") and _n_texts(lines[n]) == 1]
    if above and below and _is_heading(lines[above[-1]], lines[below[0]]):
        comments.remove(above[-1])
        lines[above[-1]][0] = lines[above[-1]][0].removeprefix("#")
    if comments:
        logger.info(
            "%s: %d lines begin with # and are passed over, such as line %d",
            path,
            len(comments),
            comments[0],
        )
    return {number: cells for number, cells in lines.items() if number not in comments}


def _is_heading(cells: list[str], following: list[str]) -> bool:
    """Return whether a line that begins with # is like "#sample" and as long as the following."""
    return cells[0][1:2] not in ("", " ") and 1 < _n_texts(cells) == _n_texts(following)


def _n_texts(cells: list[str]) -> int:
    return sum(cell != "" for cell in cells)


def _without_nameless(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Leave out columns without a name: empty ones, and all others but the first."""
    table = table.loc[:, (table.columns != "") | (table != "").any().to_numpy()]
    named = table.columns != ""
    named[0] = True
    if not named.all():
        logger.warning("%s: %d columns have no name and are left out", path, (~named).sum())
    return table.loc[:, named]

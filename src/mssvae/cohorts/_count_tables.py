"""Reading count matrices from tables of text."""

import csv
import io
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mssvae.cohorts._content import SEPARATORS, read_text, readable, separator
from mssvae.cohorts._gene_names import refuse_row_numbers
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# Headings, in small letters and digits, of columns that tools write beside the counts.
_ABOUT_GENES = re.compile(
    "(gene|hgnc|(ensembl|entrez|ncbi)(gene)?|genestable|refseq|uniprot|transcript)(id|name|symbol)?s?"
    "|(gene)?(symbols?|description|biotype|chr|chrom|chromosome|start|end|strand|length)"
    "|gene(full|short)name|(associated|external)genename|(gene|feature)types?|annotation|tffamily"
    "|chromosomename|seqnames?|locus|cytoband|(start|end)position|tx(start|end)|eff(ective)?length"
    "|width"
)


def read_count_table(path: Path) -> tuple[np.ndarray, pd.Index, pd.Index]:
    """Return the counts [samples x genes] of a table, genes x samples, and the names of both.

    Raises
    ------
    InputError
        If the file is no text, not rectangular, has no samples, or a cell is no number.
    """
    expected = separator(path)
    with readable(path, "genes x samples"):
        text = read_text(path)
        line, mark = _heading(text, path, expected)
        heading = _cells(text.split("\n", line + 1)[line], mark)
        counts = _below(text, line, mark)
    if counts.empty and len(heading) > 1:
        raise InputError(f"{path}: there is no gene below the heading: is the file complete?")
    # Above the names of the genes, R writes nothing, not even a cell.
    of_r = len(heading) == counts.shape[1] and heading[0] and not _about_genes(heading[:1])[0]
    if not of_r:
        counts, heading = _without_blanks(counts, heading, path)
    if counts.shape[1] == 0 and len(heading) == 1:
        raise InputError(
            f"{path}: there is no sample: the table has one column. Separate its cells by "
            f"{SEPARATORS[expected]}, one for the gene and one for each sample"
        )
    samples = heading if of_r else heading[1:]
    if len(samples) != counts.shape[1]:
        raise InputError(
            f"{path}: the first line names {len(samples)} samples but the next has "
            f"{counts.shape[1]} counts: it needs one cell above the gene names, and one per "
            f"sample; it begins with {', '.join(map(repr, heading[:3]))}"
        )
    counts.columns = pd.Index(samples, dtype=object)
    counts = as_numbers(without_annotation(counts, path), path)
    return counts.to_numpy().T, counts.columns, counts.index.rename(None)


def without_annotation(counts: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Leave out columns about the genes, known by their headings; the log names them."""
    about = _about_genes(counts.columns)
    if not about.any():
        return counts
    refuse_row_numbers(counts.index, counts.columns[about][0], path)
    logger.warning(
        "%s: columns left out that are about the genes, no samples: %s",
        path,
        ", ".join(counts.columns[about]),
    )
    return counts.loc[:, ~about]


def _about_genes(headings: Iterable[str]) -> np.ndarray:
    folded = (re.sub("[^a-z0-9]", "", heading.lower()) for heading in headings)
    return np.array([bool(_ABOUT_GENES.fullmatch(heading)) for heading in folded], dtype=bool)


def as_numbers(counts: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the counts, genes x samples, as numbers; missing values of R stay missing.

    Raises InputError, which names gene, sample and cell, if a cell is no number.
    """
    columns = []
    for j in range(counts.shape[1]):
        column = counts.iloc[:, j]
        if column.dtype.kind not in "iuf":
            text = column.astype(str)
            column = pd.to_numeric(text, errors="coerce")
            bad = np.flatnonzero(column.isna())
            if len(bad):
                cell = text.iloc[bad[0]]
                advice = _advice(cell, len(bad) == len(text))
                raise InputError(
                    f"{path}: the count of gene {counts.index[bad[0]]!r} in sample "
                    f"{counts.columns[j]!r} is not a number but {cell!r}, as are {len(bad)} of "
                    f"{len(text)} cells of this column: {advice}"
                )
        columns.append(column)
    if not columns:
        return counts
    return pd.concat(columns, axis=1)


def _advice(cell: str, whole_column: bool) -> str:
    if not cell.strip():
        return "give every line as many cells as the first, and a count in each"
    if re.fullmatch(r"[\d\s.,'\u2019]+", cell):
        return "write counts without decimal commas, and without marks between thousands"
    if whole_column:
        return "if the column is about the genes and no sample, remove it"
    return "a raw count is needed in each cell"


def _heading(text: str, path: Path, expected: str) -> tuple[int, str]:
    """Return the number of the line that names the samples, and what separates the cells."""
    lines = iter(text.split("\n"))
    above = []  # Empty lines and comments.
    for line in lines:
        if line.strip(' "\t,;|') and not line.startswith("#"):
            break
        above.append(line)
    else:
        raise InputError(f"{path}: not a table of genes x samples: there is no line in it")
    if above and above[0].startswith("#1.") and len(line.split()) == 2:
        raise InputError(
            f"{path}: a GCT file: remove the first two lines, which say its version and size"
        )
    mark = _separator_of(line, next(filter(str.strip, lines), ""), expected)
    width = len(_cells(line, mark))
    # A heading may begin with #, too: it has as many cells as the line below it.
    if above and above[-1].startswith("#") and len(_cells(above[-1], mark)) == width > 1:
        above.pop()
    if comments := [comment for comment in above if comment.startswith("#")]:
        logger.info("%s: comments passed over: %s", path, comments[0].strip()[:80])
    if mark != expected:
        logger.warning(
            "%s: cells are separated by %s, not by %s as the name says",
            path,
            SEPARATORS[mark],
            SEPARATORS[expected],
        )
    return len(above), mark


def _separator_of(heading: str, below: str, expected: str) -> str:
    """Return what divides heading and next line into about as many cells, else what is expected."""
    marks = [expected, *(mark for mark in SEPARATORS if mark not in (expected, " "))]
    # Names may have blanks: they separate where nothing else does.
    marks = [mark for mark in marks if mark in below.strip()] or [" "]
    for missing in (0, 1):  # R has no cell above the names of the genes.
        for mark in marks:
            width, width_below = (len(_cells(line.rstrip(mark), mark)) for line in (heading, below))
            if width_below > 1 and width + missing == width_below:
                return mark
    return expected


def _cells(line: str, mark: str) -> list[str]:
    if mark == " ":
        line = " ".join(line.split())
    return [cell.strip() for cell in next(csv.reader([line], delimiter=mark), [])]


def _below(text: str, line: int, mark: str) -> pd.DataFrame:
    """Return the table below the heading; its index is the first column."""
    try:
        return pd.read_csv(
            io.BytesIO(text.encode()),
            sep=r"\s+" if mark == " " else mark,
            skiprows=line + 1,
            header=None,
            index_col=0,
            dtype={0: str},
            keep_default_na=False,
            low_memory=False,
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def _without_blanks(
    counts: pd.DataFrame, heading: list[str], path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows without any text, and columns without any text that have no heading."""
    text = counts.select_dtypes("object")
    blank = text.apply(lambda column: column.str.strip() == "")
    if text.shape[1] == counts.shape[1] > 0:  # Else, each row has a number.
        empty = blank.all(axis=1).to_numpy() & (counts.index.str.strip() == "")
        if empty.any():
            logger.info("%s: %d empty rows passed over", path, empty.sum())
            counts, blank = counts[~empty], blank[~empty]
    # The labels of the columns are their places in the file, from 1.
    columns = [j for j in blank if blank[j].all() and not any(heading[j : j + 1])]
    if columns:
        logger.info("%s: %d empty columns passed over", path, len(columns))
        heading = [cell for j, cell in enumerate(heading) if j not in columns]
        counts = counts.drop(columns=columns)
    while len(heading) > 1 and not heading[-1]:
        heading = heading[:-1]
    return counts, heading

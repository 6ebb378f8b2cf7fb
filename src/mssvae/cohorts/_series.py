"""Reading GEO series matrices."""

import csv
import logging
import os
from collections import defaultdict
from itertools import takewhile
from pathlib import Path

import pandas as pd

from mssvae.cohorts._content import existing, read_text, readable
from mssvae.cohorts._sheets import clean
from mssvae.data.validation import validate_names
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# By the name of the field, its lines in the file: their number and their cells.
_Fields = dict[str, list[tuple[int, list[str]]]]


def read_series_matrix(path: str | os.PathLike, sample_name: str) -> pd.DataFrame:
    """Read the samples of a GEO series matrix file (``.txt.gz``, or ``.txt``).

    The samples of one file may list their characteristics in different orders, so that the rows
    of the file mix several characteristics: they are told apart by the key in ``key: value``, in
    which capitals do not count. Cells without a key are passed over. Values of a key that a sample
    has several times are joined with ``"; "``. The log says where that was so.

    Parameters
    ----------
    sample_name
        Field that names the samples, without ``!Sample_``, such as ``"source_name_ch1"``.

    Returns
    -------
    DataFrame
        One row per sample, indexed by the field ``sample_name``: the column ``geo_accession``, and
        one column per characteristic (empty where a sample has none). A characteristic that is
        called ``geo_accession`` itself is in ``geo_accession:ch1``.

    Raises
    ------
    InputError
        If the file is damaged, lacks a field, does not name each sample once, or a line has not one
        cell per sample.
    """
    path = existing(path)
    fields, first_line = _read_fields(path)
    for field in ("geo_accession", sample_name):
        if field not in fields:
            raise InputError(
                f"{path}: there is no line !Sample_{field}: is it a series matrix? Its first line "
                f"is {first_line[:60]!r}"
            )
        if len(fields[field]) > 1:
            raise InputError(
                f"{path}: there are {len(fields[field])} lines !Sample_{field}, so that it does "
                "not name the samples: choose another field as sample_name in the registry"
            )
    accessions = fields["geo_accession"][0][1]
    while accessions and not accessions[-1]:  # The line may end with a tab.
        accessions.pop()
    names = _one_per_sample(fields, sample_name, len(accessions), path)[0]
    if "" in names:
        raise InputError(
            f"{path}: the line !Sample_{sample_name} has no name for the sample "
            f"{accessions[names.index('')]!r}: choose another field as sample_name in the registry"
        )
    lines = _one_per_sample(fields, "characteristics_ch1", len(accessions), path)
    table = _characteristics(lines, names, path)
    table.insert(0, "geo_accession", accessions)
    validate_names(table.index, table.columns, str(path))
    return table


def _read_fields(path: Path) -> tuple[_Fields, str]:
    """Return the fields of the samples, and the first line of the file."""
    with readable(path, "samples"):
        lines = read_text(path).split("\n")
    # What follows is the table of a microarray.
    head = takewhile(lambda line: not line.startswith("!series_matrix_table_begin"), lines)
    fields = defaultdict(list)
    for number, line in enumerate(head, 1):
        if line.startswith(("!Sample_", '"!Sample_')):
            field, *cells = next(csv.reader([line], delimiter="\t"))
            field = clean(field).removeprefix("!Sample_")
            fields[field].append((number, [clean(cell) for cell in cells]))
    return fields, lines[0]


def _one_per_sample(fields: _Fields, field: str, n_samples: int, path: Path) -> list[list[str]]:
    """Return the cells of each line of a field."""
    for number, cells in fields.get(field, []):
        if len(cells) < n_samples or any(cells[n_samples:]):
            raise InputError(
                f"{path}: line {number}, !Sample_{field}, has {len(cells)} cells for the "
                f"{n_samples} samples of !Sample_geo_accession: download the file again, or "
                "correct the line"
            )
    return [cells[:n_samples] for _, cells in fields.get(field, [])]


def _characteristics(lines: list[list[str]], names: list[str], path: Path) -> pd.DataFrame:
    """Return a table of samples x characteristics of lines of ``key: value``."""
    values = [defaultdict(list) for _ in names]
    spelling, keyless, repeated = {"geo_accession": "geo_accession:ch1"}, [], []
    for cells in lines:
        for name, found, cell in zip(names, values, cells, strict=True):
            key, colon, value = map(clean, cell.partition(":"))
            if not cell:
                continue
            if not colon:
                keyless.append(f"{cell!r} of {name!r}")
                continue
            known = found[spelling.setdefault(key.casefold(), key)]
            if value and value not in known:
                known.append(value)
                if len(known) > 1:
                    repeated.append(f"{key!r} of {name!r}: {'; '.join(known)!r}")
    if keyless:
        logger.warning(
            "%s: %d characteristics are not 'key: value' and are passed over, such as %s",
            path,
            len(keyless),
            keyless[0],
        )
    if repeated:
        logger.warning(
            "%s: %d characteristics of a sample have several values, such as %s",
            path,
            len(repeated),
            repeated[0],
        )
    joined = [{key: "; ".join(each) for key, each in found.items()} for found in values]
    return pd.DataFrame(joined, index=names, dtype=object).fillna("")

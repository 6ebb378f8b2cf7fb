"""Checks of input, with messages that name the sample and the gene, or the key."""

import math
import operator
import re
import unicodedata
from collections.abc import Iterable
from itertools import combinations
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.errors import InputError


def whole(key: str, value: object, at_least: int = 1) -> int:
    """Return a whole number as Python's, of which a model or its settings are made.

    Raises InputError, which names the key, if it is none or too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < at_least:
        raise InputError(f"{key} must be a whole number, at least {at_least}, not {value!r}")
    return number


def number(
    key: str, value: object, at_least: float = -math.inf, at_most: float = math.inf
) -> float:
    """Return a finite number as Python's.

    Raises InputError, which names the key, if it is none or out of its range.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not at_least <= value <= at_most:
        limits = (("at least", at_least), ("at most", at_most))
        told = "".join(f", {word} {limit:g}" for word, limit in limits if math.isfinite(limit))
        raise InputError(f"{key} must be a finite number{told}, not {value!r}")
    return float(value)


def listed(items: Iterable[object], at_most: int = 10) -> str:
    """Return the first items as text for a message, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - at_most:,} more" if len(items) > at_most else ""
    return ", ".join(repr(item) for item in items[:at_most]) + more


def require_columns(table: object, columns: Iterable[str], source: str) -> None:
    """Raise InputError unless ``table`` is a DataFrame with these columns, each once."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{source} must be a pandas DataFrame, not a {type(table).__name__}")
    names = list(table.columns)
    for what, wrong in (
        ("has no column", [column for column in columns if column not in names]),
        ("has more than one column", [column for column in columns if names.count(column) > 1]),
    ):
        if wrong:
            raise InputError(f"{source} {what} {listed(wrong)}: it has {listed(names)}")


def validate_names(sample_names: pd.Index, gene_names: pd.Index, source: str) -> None:
    """Raise InputError if a sample or a gene name occurs twice; ``source`` says where."""
    for kind, names in (("sample", sample_names), ("gene", gene_names)):
        repeated = names[names.duplicated()].unique()
        if len(repeated):
            raise InputError(
                f"{source}: {len(repeated)} {kind} names occur more than once, such as "
                f"{listed(repeated)}: make them unique or drop the copies"
            )


def validate_study_names(names: Iterable[str], source: str) -> None:
    """Raise InputError if factors of some studies would have names that mean others, or none.

    Parameters
    ----------
    names
        Each study once.
    source
        Where they come from (a file, a column), for the message.
    """
    starts = {}
    for name in names:
        # A slash would split a key of an .h5ad file, and NUL would end it.
        if name == "shared" or "/" in name or "\0" in name:
            raise InputError(
                f"{source}: no study may be called 'shared' or contain '/' or NUL: rename {name!r}"
            )
        # What the names of its factors start with; those that move from or to all have both.
        starts[name] = {name, f"{name}_shared", f"shared_{name}"}
    for one, other in combinations(starts, 2):
        if both := starts[one] & starts[other]:
            raise InputError(
                f"{source}: the studies {one!r} and {other!r} could each have a factor "
                f"{min(both)}_01: rename one"
            )


def written_alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two names that differ only in capitals, blanks, dashes or marks at the end, if any."""
    seen = {}
    for name in names:
        key = unicodedata.normalize("NFKC", name).casefold().strip(" .,;:'\"")
        # Between digits a mark stands for something: 1-2 is not 12, and neither is 1.2.
        key = re.sub(r"(?<=\d)[\s_–—-]+(?=\d)", "-", key)
        key = re.sub(r"(?<=\w)[\s_–—-]+(?=[^\W\d])|(?<=[^\W\d])[\s_–—-]+(?=\w)", "", key)
        if seen.setdefault(key, name) != name:
            return seen[key], name
    return None


def validate_counts(
    matrix: np.ndarray | sparse.spmatrix,
    sample_names: pd.Index,
    gene_names: pd.Index,
    source: str,
) -> None:
    """Raise InputError unless ``matrix`` [samples x genes] holds whole, non-negative numbers.

    Parameters
    ----------
    source : str
        Where the matrix comes from (a file, ``adata.X``), for the message.
    """
    if sparse.issparse(matrix):
        # Entries for the same place stand for their sum.
        entries = sparse.coo_matrix(matrix)
        entries.sum_duplicates()
        values = entries.data
    else:
        values = np.asarray(matrix)
    for what, is_bad in (
        ("not a number", np.isnan),
        ("infinite", np.isinf),
        ("negative", lambda x: x < 0),
        ("not whole", lambda x: x != np.floor(x)),
    ):
        bad = is_bad(values)
        if not bad.any():
            continue
        if sparse.issparse(matrix):
            order = np.lexsort((entries.col[bad], entries.row[bad]))
            places = np.column_stack([entries.row[bad], entries.col[bad]])[order]
            first = values[bad][order[0]]
        else:
            places, first = np.argwhere(bad), values[bad][0]
        names = [f"gene {gene_names[j]!r} in sample {sample_names[i]!r}" for i, j in places[:10]]
        others = f"; so are {len(places) - 1:,} more, such as {', '.join(names[1:])}"
        others = others if len(places) > 1 else ""
        raise InputError(
            f"{source}: the count of {names[0]} is {what} ({first}){others}: raw counts are "
            "needed, not normalised values"
        )


def validate_not_empty(
    matrix: np.ndarray | sparse.spmatrix, sample_names: pd.Index, source: str
) -> None:
    """Raise InputError, which names them, if samples of a matrix of counts have none."""
    empty = sample_names[np.asarray(matrix.sum(axis=1)).ravel() == 0]
    if len(empty):
        which = f"sample {empty[0]!r} has"
        if len(empty) > 1:
            which = f"{len(empty)} samples, {listed(empty)}, have"
        raise InputError(
            f"{source}: {which} no counts in the {matrix.shape[1]} features: drop such samples"
        )


# As many as the looks of `figures.group_looks`: colours times hatches.
MAX_GROUPS = 24


def validate_n_groups(groups: Iterable[str], source: str | None = None) -> None:
    """Raise InputError if there are more groups than figures and pages can tell apart.

    Parameters
    ----------
    groups
        Their names; repeated ones count once.
    source
        Where they come from (a file, a table), for the message.
    """
    names = sorted({str(group) for group in groups})
    if len(names) > MAX_GROUPS:
        prefix = "" if source is None else f"{source}: "
        raise InputError(
            f"{prefix}{len(names)} groups, but figures and pages can tell at most {MAX_GROUPS} "
            f"apart: merge some of them or leave some out (such as {', '.join(names[:5])})"
        )

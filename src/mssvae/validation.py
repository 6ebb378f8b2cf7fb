"""Checks of input, with messages that name the sample and the gene, or the key."""

import operator
from collections.abc import Iterable

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
    if number is None or number < at_least:
        raise InputError(f"{key} must be a whole number, at least {at_least}, not {value!r}")
    return number


def validate_names(sample_names: pd.Index, gene_names: pd.Index, source: str) -> None:
    """Raise InputError if a sample or a gene name occurs twice; ``source`` says where."""
    for kind, names in (("sample", sample_names), ("gene", gene_names)):
        repeated = names[names.duplicated()].unique()
        if len(repeated):
            raise InputError(
                f"{source}: {len(repeated)} {kind} names occur more than once, such as "
                f"{repeated[0]!r}: make them unique or drop the copies"
            )


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
    values = matrix.data if sparse.issparse(matrix) else np.asarray(matrix)
    for what, bad in (
        ("not a number", np.isnan),
        ("infinite", np.isinf),
        ("negative", lambda x: x < 0),
        ("not whole", lambda x: x != np.floor(x)),
    ):
        if bad(values).any():
            dense = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
            i, j = np.argwhere(bad(dense))[0]
            raise InputError(
                f"{source}: the count of gene {gene_names[j]!r} in sample {sample_names[i]!r} is "
                f"{what} ({dense[i, j]}): raw counts are needed, not normalised values"
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

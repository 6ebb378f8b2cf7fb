"""Matrices, however they are stored, as plain numbers."""

from collections.abc import Callable
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.errors import InputError

_NUMBERS = (Real, Decimal, np.bool_)
# Stand for NaN in an array of objects.
_MISSING = (type(None), type(pd.NA), type(pd.NaT))
_MOST_PLACES = 10


def as_numbers(
    matrix: object, source: str, place: Callable[[int, int], str]
) -> np.ndarray | sparse.csr_matrix:
    """Return a matrix in double precision, as a copy that does not depend on its storage.

    Parameters
    ----------
    matrix : array, sparse matrix, DataFrame, Series or nested list [n x m]
        Numbers of any type, also as objects. One dimension is a single column.
    source
        What the matrix is, for messages.
    place
        Names the place of row ``i`` and column ``j``, for messages.

    Returns
    -------
    array or csr_matrix of float64 [n x m]
        CSR if the matrix is sparse: entries of one place summed, sorted, without zeros. What is
        missing in an array of objects is NaN.

    Raises
    ------
    InputError
        If it has more than two dimensions, a value is masked, or one is no real number.
    """
    if sparse.issparse(matrix):
        _check_kind(matrix.dtype, source)
        csr = sparse.csr_matrix(matrix.astype(np.float64, copy=True))
        csr.sum_duplicates()
        csr.eliminate_zeros()
        return csr
    try:
        values = np.asarray(matrix)
    except ValueError as error:
        raise InputError(f"{source} is no table of numbers: its rows differ in length") from error
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"{source} has {values.ndim} dimensions: it must have rows and columns")
    if isinstance(matrix, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(matrix).reshape(values.shape)
        refuse(masked, source, "values are missing (masked)", place)
    if values.dtype.kind == "O":
        return _from_objects(values, source, place)
    _check_kind(values.dtype, source)
    return values.astype(np.float64)


def dense(matrix: np.ndarray | sparse.spmatrix) -> np.ndarray:
    """Return a matrix of numbers as an array; no copy if it is one."""
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def refuse(
    bad: np.ndarray | sparse.spmatrix,
    source: str,
    what: str,
    place: Callable[[int, int], str],
    advice: str = "",
) -> None:
    """Raise InputError, which names the places, if an entry of ``bad`` [n x m] is true."""
    rows, columns = bad.nonzero()
    if len(rows):
        pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))[:_MOST_PLACES]
        more = f" and {len(rows) - len(pairs):,} more places" if len(rows) > len(pairs) else ""
        places = "; ".join(place(i, j) for i, j in pairs)
        raise InputError(f"{source}: {what} in {places}{more}{advice and ': ' + advice}")


def _check_kind(dtype: np.dtype, source: str) -> None:
    if dtype.kind not in "biuf":
        raise InputError(f"{source} holds values of the type {dtype}: give real numbers")


def _from_objects(values: np.ndarray, source: str, place: Callable[[int, int], str]) -> np.ndarray:
    kinds = set(map(type, values.flat))
    wrong = {kind for kind in kinds if not issubclass(kind, _NUMBERS + _MISSING)}
    if wrong:
        bad = np.array([type(value) in wrong for value in values.flat]).reshape(values.shape)
        first = values[bad][0]
        refuse(bad, source, f"{first!r} is no number", place)
    return np.where(pd.isna(values), np.nan, values).astype(np.float64)

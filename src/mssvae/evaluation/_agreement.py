"""How alike two fits are."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from mssvae.errors import InputError
from mssvae.results.tables import FactorTables


def agreement(one: FactorTables, two: FactorTables) -> float:
    """Return the mean Jaccard index of the factors of two fits, matched one to one.

    Over the larger number of factors that are in use, so that a factor of one fit alone counts 0.

    Parameters
    ----------
    one, two : FactorTables
        ``model.support`` (or masks) of each; of the same features and studies.

    Returns
    -------
    float
        In [0, 1]; NaN if neither has a factor.

    Raises
    ------
    InputError
        If features or studies differ.
    """
    total, n = 0.0, 0
    for first, second in parts(one, two):
        *_, index = match(first, second)
        total += index.sum()
        n += max((table != 0).any().sum() for table in (first, second))
    return float(total / n) if n else float("nan")


def parts(one: FactorTables, two: FactorTables) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield the tables of shared factors, then those of each study, of two fits.

    Raises InputError if features or studies differ.
    """
    if not one.shared.index.equals(two.shared.index) or one.specific.keys() != two.specific.keys():
        raise InputError("the two fits must have the same features and studies")
    yield one.shared, two.shared
    for study in one.specific:
        yield one.specific[study], two.specific[study]


def match(one: pd.DataFrame, two: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of columns of two supports, one to one, and the Jaccard indices of each.

    The sum of the indices is the largest there is; columns without a feature in common are no pair.
    """
    first, second = ((table.to_numpy() != 0).astype(float) for table in (one, two))
    both = first.T @ second
    union = first.sum(0)[:, None] + second.sum(0) - both
    index = both / np.maximum(union, 1)
    i, k = linear_sum_assignment(-index)
    pairs = index[i, k] > 0
    return i[pairs], k[pairs], index[i, k][pairs]

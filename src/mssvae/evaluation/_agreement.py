"""How alike two fits are."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from mssvae.errors import InputError
from mssvae.tables import FactorTables


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
    if not one.shared.index.equals(two.shared.index) or one.specific.keys() != two.specific.keys():
        raise InputError("the two fits must have the same features and studies")
    pairs = [(one.shared, two.shared)]
    pairs += [(one.specific[study], two.specific[study]) for study in one.specific]
    total, n = 0.0, 0
    for tables in pairs:
        first, second = (_in_use(table.to_numpy() != 0) for table in tables)
        n += max(first.shape[1], second.shape[1])
        if first.shape[1] and second.shape[1]:
            both = first.T @ second
            union = first.sum(0)[:, None] + second.sum(0) - both
            index = both / union
            total += index[linear_sum_assignment(-index)].sum()
    return float(total / n) if n else float("nan")


def _in_use(support: np.ndarray) -> np.ndarray:
    return support[:, support.any(0)].astype(float)

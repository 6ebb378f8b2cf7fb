"""Splitting counts into a part to fit and a part to score."""

import numpy as np

from mssvae.data.validation import number
from mssvae.errors import InputError


def split_counts(
    counts: np.ndarray, share: float = 0.8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return counts to fit and counts to score: each molecule goes to the first by itself.

    The two are independent if counts are Poisson, as UMI counts nearly are. Bulk counts are not:
    both parts share what is beyond Poisson in a sample, so that whatever follows single samples
    scores well. With negative binomial counts (theta 2) without any factor, parts correlate at
    0.85. Use ``unseen`` for such data, or ``split_counts_overdispersed``.

    Parameters
    ----------
    counts : array of whole numbers [N, G]
    share : float
        Of the molecules that are fitted, above 0 and below 1.

    Raises
    ------
    InputError
        If counts are negative or not whole, or the share is out of range.
    """
    whole, share = _whole(counts), _share(share)
    first = np.random.default_rng(seed).binomial(whole, share)
    return first, whole - first


def split_counts_overdispersed(
    counts: np.ndarray, theta: np.ndarray | float, share: float = 0.8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return counts to fit and to score that are independent negative binomials.

    Each count is split with a share from Beta(share theta, (1 - share) theta). That is exact if
    theta is the noise's; half of it makes factors of noise, twice of it hides none.

    Parameters
    ----------
    counts : array of whole numbers [N, G]
    theta : array [G] or float
        Inverse dispersions of the noise, positive.
    share : float
        Of the expected counts that are fitted, above 0 and below 1.

    Raises
    ------
    InputError
        As ``split_counts``, or if a theta is not positive.
    """
    whole, share = _whole(counts), _share(share)
    theta = np.broadcast_to(np.asarray(theta, dtype=float), whole.shape[1:])
    if not (np.isfinite(theta) & (theta > 0)).all():
        raise InputError("theta must be positive and finite")
    rng = np.random.default_rng(seed)
    shares = rng.beta(share * theta, (1 - share) * theta, size=whole.shape)
    first = rng.binomial(whole, shares)
    return first, whole - first


def _whole(counts: np.ndarray) -> np.ndarray:
    values = np.asarray(counts, dtype=float)
    if values.ndim != 2 or not (np.isfinite(values) & (values >= 0) & (values % 1 == 0)).all():
        raise InputError("counts must be a table of whole numbers, not negative")
    return values.astype(np.int64)


def _share(share: float) -> float:
    share = number("share", share)
    if not 0 < share < 1:
        raise InputError(f"share must be above 0 and below 1, not {share}")
    return share

"""Counts with the biological variation of section 4.2."""

import numpy as np

from mssvae.errors import InputError

# Whole numbers up to here are exact in double precision.
MOST_COUNTS = 2.0**53
# A mean of exactly zero would have no variation.
_SMALLEST_MEAN = 1e-100


def negative_binomial_counts(
    mean: np.ndarray, rng: np.random.Generator, phi: float = 0.1, nu: float = 60
) -> np.ndarray:
    """Draw counts from NB(mean, inverse dispersion 1 / BCV^2), as a gamma mixture of Poissons.

    The biological coefficient of variation falls with the mean:
    ``BCV = (phi + 1 / sqrt(mean)) sqrt(nu / q)`` with ``q`` from chi-squared(nu).

    Raises InputError if a count is too large.
    """
    mean = np.maximum(mean, _SMALLEST_MEAN)
    variation = (phi + 1 / np.sqrt(mean)) * np.sqrt(nu / rng.chisquare(nu, mean.shape))
    # Where squares overflow the counts would be too large as well.
    with np.errstate(over="ignore", invalid="ignore"):
        return _poisson(rng.gamma(1 / variation**2, mean * variation**2), rng)


def gene_wise_counts(mean: np.ndarray, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw counts [N x G] from NB(mean, theta), with an inverse dispersion of each gene, [G].

    Raises InputError if a count is too large.
    """
    return _poisson(rng.gamma(np.broadcast_to(theta, mean.shape), mean / theta), rng)


def _poisson(rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if not rate.max() <= MOST_COUNTS:
        raise InputError(f"a count would be larger than {MOST_COUNTS:,.0f}")
    return rng.poisson(rate)

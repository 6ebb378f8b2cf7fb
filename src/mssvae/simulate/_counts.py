"""Counts with the biological variation of section 4.2."""

import numpy as np


def negative_binomial_counts(
    mean: np.ndarray, rng: np.random.Generator, phi: float = 0.1, nu: float = 60
) -> np.ndarray:
    """Draw counts from NB(mean, inverse dispersion 1 / BCV^2), as a gamma mixture of Poissons.

    The biological coefficient of variation falls with the mean:
    ``BCV = (phi + 1 / sqrt(mean)) sqrt(nu / q)`` with ``q`` from chi-squared(nu).
    """
    variation = (phi + 1 / np.sqrt(mean)) * np.sqrt(nu / rng.chisquare(nu, mean.shape))
    return rng.poisson(rng.gamma(1 / variation**2, mean * variation**2))

"""Seven features of two factors (the talk's simulation)."""

from dataclasses import dataclass

import numpy as np

from mssvae.data.validation import number, whole

# Of the noise, in the units of the features.
NOISE_SD = 0.5


@dataclass(frozen=True)
class Sample:
    """Samples with known factors.

    Attributes
    ----------
    z : array [N, 2]
        Factors.
    signal : array [N, 7]
        What the features would be without noise.
    x : array [N, 7]
        Features.
    """

    z: np.ndarray
    signal: np.ndarray
    x: np.ndarray


def simulate(n_samples: int, correlation: float, seed: int) -> Sample:
    """Draw samples: ``z1, 2 z1, 3 z1^2, 4 z2, 5 z2, 6 sin z2, 7 z1 z2``, plus noise.

    The factors are normal with mean 0 and variance 1. Equal seeds have the same draws whatever the
    correlation, so that studies of several correlations differ by these alone.

    Parameters
    ----------
    n_samples : int
        N.
    correlation : float
        Of the two factors, -1 to 1.
    seed : int
        From 0.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    correlation = number("correlation", correlation, at_least=-1, at_most=1)
    rng = np.random.default_rng(whole("seed", seed, at_least=0))
    first, other, noise = np.split(rng.normal(size=(whole("n_samples", n_samples), 9)), [1, 2], 1)
    z1, z2 = first[:, 0], (correlation * first + np.sqrt(1 - correlation**2) * other)[:, 0]
    signal = np.stack([z1, 2 * z1, 3 * z1**2, 4 * z2, 5 * z2, 6 * np.sin(z2), 7 * z1 * z2], 1)
    return Sample(np.stack([z1, z2], 1), signal, signal + NOISE_SD * noise)

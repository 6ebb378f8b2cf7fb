"""Observation models of the linear fit: derivatives towards outputs, noise, and where to start.

The distributions are those of ``mssvae.core.likelihoods``. Counts have a mean of
``library size * scale_j * softplus(output)`` with the gene's mean as its scale, so that the
softplus bends where the gene's values are, however large its counts are.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mssvae.core.likelihoods import MIN_LIBRARY_VARIANCE, NegativeBinomial
from mssvae.core.numerics import inverse_softplus, log_gamma_ratio, log_softplus


@dataclass(frozen=True)
class Noise:
    """What noise starts with and stays within. What it was measured on: docs/method.md.

    Attributes
    ----------
    pseudocount : float
        Relative expression to add before logarithms.
    log_theta : float
        Start of the logarithms of inverse dispersions.
    log_theta_of_few, few_counts : float
        What they stay at for genes with fewer counts on average, where most genes have so few:
        about the technical noise of molecules, as estimates there book structure as noise.
    log_theta_range, longest : (float, float), float
        They stay between these, and move by no more at a time.
    shape, share : float
        Noise variances have an inverse gamma prior of this shape, with this times the variance of
        the feature as its scale, so that none vanishes.
    """

    pseudocount: float = 0.05
    log_theta: float = 1.0
    log_theta_of_few: float = math.log(8)
    few_counts: float = 5.0
    log_theta_range: tuple[float, float] = (-4.0, 7.0)
    longest: float = 0.3
    shape: float = 1.5
    share: float = 0.05


NOISE = Noise()


@dataclass
class Start:
    """Where a linear fit starts.

    Attributes
    ----------
    values : Tensor [N, G]
        What factor analysis sees.
    slope : float
        How much an output changes with a value.
    bias, log_noise, log_scale : Tensor [G]
    estimates_noise : Tensor [G]
        Which features' noise is estimated; that of others stays where it starts.
    log_library : Tensor [N, 1]
    library_mean, library_variance : Tensor
    """

    values: Tensor
    slope: float
    bias: Tensor
    log_noise: Tensor
    log_scale: Tensor
    estimates_noise: Tensor
    log_library: Tensor
    library_mean: Tensor
    library_variance: Tensor


class GaussianObservation:
    """Normal observations with the output as their mean."""

    uses_library = False
    exact = True  # The log-likelihood is quadratic: one Newton step arrives.
    noise_from = 0  # The iteration from which noise is estimated.

    @staticmethod
    def start(x: Tensor) -> Start:
        """Return starting values of data [N, G]."""
        variance, mean = torch.var_mean(x, 0)
        zero = x.new_zeros(())
        log_noise = (0.5 * variance).clamp_min(torch.finfo(x.dtype).tiny).log()
        none, all_ = torch.zeros_like(mean), torch.ones_like(mean, dtype=torch.bool)
        return Start(x, 1.0, mean, log_noise, none, all_, x.new_zeros(len(x), 1), zero, zero + 1)

    @staticmethod
    def score(
        x: Tensor, output: Tensor, log_depth: Tensor, log_noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return slope and expected curvature of log p(x | output), each [n, g]."""
        precision = torch.exp(-log_noise)
        return (x - output) * precision, precision.expand_as(x)

    @staticmethod
    def kernel(x: Tensor, output: Tensor, log_depth: Tensor, log_noise: Tensor) -> Tensor:
        """Return what of log p(x | output) depends on the output, [n, g]."""
        return -0.5 * (x - output).square() * torch.exp(-log_noise)

    @staticmethod
    def log_of_noise(x: Tensor, log_noise: Tensor) -> float:
        """Return what of log p(x | output) depends on the noise alone, of all values."""
        return -0.5 * len(x) * (log_noise + math.log(2 * math.pi)).sum(dtype=torch.float64).item()

    @staticmethod
    def log_base(x: Tensor) -> float:
        """Return what of log p(x | output) depends on the data alone, of all values."""
        return 0.0

    @staticmethod
    def mean(output: Tensor, log_depth: Tensor) -> Tensor:
        """Return expected values, [n, g]."""
        return output

    @staticmethod
    def updated_noise(
        pieces: Iterable[tuple[Tensor, Tensor, Tensor, Tensor]], log_noise: Tensor, spread: Tensor
    ) -> Tensor:
        """Return the logarithms of noise variances of maximum expected posterior, [G].

        Parameters
        ----------
        pieces : iterable of (x, output, deviation, log_depth)
            Of some samples each; deviations of the outputs' posteriors.
        spread : Tensor [G]
            Standard deviations of the features.
        """
        squares, n = 0.0, 0
        for x, output, deviation, _ in pieces:
            squares = squares + ((x - output).square() + deviation.square()).sum(0)
            n += len(x)
        return ((squares + 2 * NOISE.share * spread.square()) / (n + 2 * (NOISE.shape + 1))).log()


class CountObservation:
    """Negative binomial counts with mean ``exp(log_depth) softplus(output)``."""

    uses_library = True
    exact = False
    # Factors come first: a low start of theta would book all structure as noise.
    noise_from = 8

    @staticmethod
    def start(x: Tensor) -> Start:
        """Return starting values of counts [N, G]."""
        library = x.sum(1, keepdim=True) / x.shape[1]
        relative = x / library
        mean = relative.mean(0).clamp_min(float(1 / library.sum()))
        log_library = library.log()
        one, few = torch.ones_like(mean), x.mean(0) < NOISE.few_counts
        few &= few.float().mean() > 0.5  # Among many counts, few are noisy for another reason.
        return Start(
            torch.log(relative + NOISE.pseudocount),
            1 / (1 - math.exp(-1)),  # Of log softplus where it is 0.
            inverse_softplus(one),
            torch.where(few, NOISE.log_theta_of_few, NOISE.log_theta * one),
            mean.log(),
            ~few,
            log_library,
            log_library.mean(),
            log_library.var().clamp_min(MIN_LIBRARY_VARIANCE),
        )

    @staticmethod
    def score(
        x: Tensor, output: Tensor, log_depth: Tensor, log_noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return slope and expected curvature of log p(x | output), each [n, g]."""
        log_value = log_softplus(output)
        # The derivative of log softplus, which is 1 far below zero.
        change = torch.exp(functional.logsigmoid(output) - log_value)
        mean = torch.exp(log_depth + log_value)
        certain = torch.sigmoid(log_noise - log_depth - log_value)
        weight = certain * change
        return (x - mean) * weight, mean * weight * change

    @staticmethod
    def library_score(
        x: Tensor, output: Tensor, log_depth: Tensor, log_noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return slope and expected curvature towards log library sizes, each [n, 1]."""
        log_mean = log_depth + log_softplus(output)
        mean, certain = torch.exp(log_mean), torch.sigmoid(log_noise - log_mean)
        slope = ((x - mean) * certain).sum(1, keepdim=True)
        return slope, (mean * certain).sum(1, keepdim=True)

    @staticmethod
    def kernel(x: Tensor, output: Tensor, log_depth: Tensor, log_noise: Tensor) -> Tensor:
        """Return what of log p(x | output) depends on the output, [n, g]."""
        log_odds = log_depth + log_softplus(output) - log_noise
        of_mean = torch.exp(log_noise) * functional.softplus(log_odds)
        return -of_mean - x * functional.softplus(-log_odds)

    @staticmethod
    def log_of_noise(x: Tensor, log_noise: Tensor) -> float:
        """Return what of log p(x | output) depends on counts and noise alone, of all values."""
        positive = x > 0  # Zero where there is no count.
        theta = torch.exp(log_noise).expand_as(x)[positive]
        return log_gamma_ratio(x[positive], theta).sum(dtype=torch.float64).item()

    @staticmethod
    def log_base(x: Tensor) -> float:
        """Return what of log p(x | output) depends on the data alone, of all values."""
        return NegativeBinomial.log_base(x).sum(dtype=torch.float64).item()

    @staticmethod
    def mean(output: Tensor, log_depth: Tensor) -> Tensor:
        """Return expected counts, [n, g]."""
        return torch.exp(log_depth + log_softplus(output))

    @staticmethod
    def updated_noise(
        pieces: Iterable[tuple[Tensor, Tensor, Tensor, Tensor]], log_noise: Tensor, spread: Tensor
    ) -> Tensor:
        """Return logarithms of inverse dispersions after one Newton step, [G].

        As ``GaussianObservation.updated_noise``.
        """
        theta = torch.exp(log_noise)
        slope, curvature = torch.zeros_like(theta), torch.zeros_like(theta)
        for x, output, deviation, log_depth in pieces:
            digamma = torch.digamma(x + theta) - torch.digamma(theta)
            trigamma = torch.polygamma(1, x + theta) - torch.polygamma(1, theta)
            for sign in (1, -1):
                total = theta + CountObservation.mean(output + sign * deviation, log_depth)
                share = (x + theta) / total
                first = digamma + torch.log(theta / total) + 1 - share
                second = trigamma + 1 / theta - 2 / total + share / total
                slope += 0.5 * theta * first.sum(0)
                curvature += 0.5 * theta * (theta * second + first).sum(0)
        step = torch.where(curvature < 0, -slope / curvature, slope.sign())
        return (log_noise + step.clamp(-NOISE.longest, NOISE.longest)).clamp(*NOISE.log_theta_range)


OBSERVATIONS = {"gaussian": GaussianObservation, "negative_binomial": CountObservation}

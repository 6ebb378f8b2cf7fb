"""Likelihoods: how the decoder's linear output becomes a distribution of the data (eq. 2.2, 2.5).

A likelihood owns its per-feature parameters, starts them from the data and scores a slice of the
features. ``log_prob`` leaves out the terms that depend on the data alone; ``log_base`` gives them,
so that they are computed once per data set instead of once per step.
"""

import math

import torch
from scipy.special import gammainccinv
from torch import Tensor, nn
from torch.nn import functional

from mssvae.core.numerics import (
    HALF_LOG_TAU,
    LogGammaRatio,
    inverse_softplus,
    log_softplus,
    stirling_error,
)

# Of log library sizes: counts that were brought to the same total have none.
MIN_LIBRARY_VARIANCE = 1e-4


class Gaussian(nn.Module):
    """Normal observations with one noise variance per feature (eq. 2.2).

    ``sigma2_j ~ Inverse-Gamma(1.5, beta)`` with beta such that the 5 % quantile of the features'
    sample variances is the 90 % quantile of the prior; every sigma2_j starts at that 5 % quantile
    (appendix C.2).

    Parameters
    ----------
    x : Tensor [N, G]
        The data that starting values are computed from.
    """

    name = "gaussian"
    uses_library = False
    alpha = 1.5

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.log_sigma2 = nn.Parameter(torch.zeros_like(x[0]))
        self.start(x)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Take the starting values, and beta, from data [N, G]."""
        quantile = float(torch.quantile(x.double().var(0), 0.05))
        self.beta = quantile * float(gammainccinv(self.alpha, 0.9))
        self.log_sigma2.fill_(math.log(quantile))

    @staticmethod
    def encoder_input(x: Tensor) -> Tensor:
        """Return what the encoders see: the data as they are."""
        return x

    @staticmethod
    def initial_bias(x: Tensor) -> Tensor:
        """Return the start of the decoder's output bias, [G]: the feature means."""
        return x.mean(0)

    @staticmethod
    def log_base(x: Tensor) -> Tensor:
        """Return the part of the log density that depends on the data alone, [B]."""
        return torch.full_like(x[:, 0], -0.5 * x.shape[1] * math.log(2 * math.pi))

    @property
    def log_noise(self) -> nn.Parameter:
        """The logarithm of the noise variances, [G]."""
        return self.log_sigma2

    @staticmethod
    def log_prob(x: Tensor, output: Tensor, log_library: None, log_sigma2: Tensor) -> Tensor:
        """Return log p(x | output) less ``log_base``, [B, g], for g features."""
        return -0.5 * (log_sigma2 + (x - output).square() * torch.exp(-log_sigma2))

    @staticmethod
    def mean(output: Tensor, log_library: None) -> Tensor:
        """Return expected values, [B, g]."""
        return output

    @staticmethod
    def residual(x: Tensor, output: Tensor, log_library: None, log_sigma2: Tensor) -> Tensor:
        """Return the residuals in standard deviations of the noise, [B, g]."""
        return (x - output) * torch.exp(-0.5 * log_sigma2)

    @staticmethod
    def observed_output(x: Tensor) -> Tensor:
        """Return the outputs of the decoder that would have the data as their means, [N, G]."""
        return x

    def log_prior(self, log_sigma2: Tensor) -> Tensor:
        """Return the log prior of some noise variances up to a constant, a scalar."""
        return -((self.alpha + 1) * log_sigma2 + self.beta * torch.exp(-log_sigma2)).sum()


class NegativeBinomial(nn.Module):
    """Counts with mean ``mu = l_i softplus(output)`` and inverse dispersion ``theta_j`` (eq. 2.5).

    The variance is ``mu + mu^2 / theta``. The library size l_i is in units of (counts / G), so that
    softplus(output) is of order one. ``theta`` starts at its moment estimate, from counts divided
    by library sizes, clipped to [0.01, 1000]: where these have mean f and variance v over the
    samples, ``f^2 / (v - f mean(1 / l))``, and 1000 where v is not above what a Poisson has.

    Parameters
    ----------
    x : Tensor [N, G]
        The counts that starting values are computed from.
    """

    name = "negative_binomial"
    uses_library = True

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.log_theta = nn.Parameter(torch.zeros_like(x[0]))
        self.start(x)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Take the starting values from counts [N, G]."""
        library = self.library(x)
        variance, mean = torch.var_mean(x.double() / library, 0)
        excess = variance - mean * (1 / library).mean()
        theta = torch.where(excess > 0, mean.square() / excess, torch.inf)
        self.log_theta.copy_(theta.clamp(0.01, 1000).log())

    @staticmethod
    def library(x: Tensor) -> Tensor:
        """Return the observed library sizes in units of counts / G, as doubles, [N, 1]."""
        return x.double().sum(1, keepdim=True) / x.shape[1]

    @staticmethod
    def encoder_input(x: Tensor) -> Tensor:
        """Return what the encoders see: log(1 + counts)."""
        return torch.log1p(x)

    @staticmethod
    def initial_bias(x: Tensor) -> Tensor:
        """Return the start of the decoder's output bias, [G].

        The inverse softplus of the feature's mean after division by the library size (counts / G).
        A feature without counts gets the value of one count in all samples together.
        """
        library = NegativeBinomial.library(x)
        mean = (x.double() / library).mean(0).clamp_min(float(1 / library.sum()))
        return inverse_softplus(mean)

    @staticmethod
    def log_base(x: Tensor) -> Tensor:
        """Return the part of the log mass that depends on the data alone, [B].

        Of each count, what the Poisson with that count as its mean gives it: the most there is.
        """
        counts = x.double().clamp_min(1)
        best = -0.5 * torch.log(counts) - HALF_LOG_TAU - stirling_error(counts)
        return torch.where(x > 0, best, 0).sum(1).to(x.dtype)

    @property
    def log_noise(self) -> nn.Parameter:
        """The logarithm of the inverse dispersions, [G]."""
        return self.log_theta

    @staticmethod
    def log_prob(x: Tensor, output: Tensor, log_library: Tensor, log_theta: Tensor) -> Tensor:
        """Return log p(x | output) less ``log_base``, [B, g], for g features.

        ``log_library`` [B, 1] is the logarithm of the library size in counts / G.
        """
        theta = torch.exp(log_theta)
        log_odds = log_library + log_softplus(output) - log_theta  # Of mu / (mu + theta).
        of_mean = theta * functional.softplus(log_odds) + x * functional.softplus(-log_odds)
        return LogGammaRatio.apply(x, theta) - of_mean

    @staticmethod
    def mean(output: Tensor, log_library: Tensor) -> Tensor:
        """Return expected counts, [B, g]."""
        return torch.exp(log_library) * functional.softplus(output)

    @staticmethod
    def residual(x: Tensor, output: Tensor, log_library: Tensor, log_theta: Tensor) -> Tensor:
        """Return the Pearson residuals, [B, g]."""
        mu = torch.exp(log_library) * functional.softplus(output)
        variance = mu + mu.square() * torch.exp(-log_theta)
        return (x - mu) / variance.clamp_min(torch.finfo(x.dtype).tiny).sqrt()

    @staticmethod
    def observed_output(x: Tensor, log_scale: float | Tensor = 0.0) -> Tensor:
        """Return the outputs of the decoder that would have the counts as their means, [N, G].

        At the observed library size; ``log_scale`` [G] is what linear fits have. A zero counts as a
        half, which is where an output still means something: softplus is almost 0 far below it.
        """
        mean = x.clamp_min(0.5) / NegativeBinomial.library(x) / torch.as_tensor(log_scale).exp()
        return inverse_softplus(mean).to(x.dtype)

    @staticmethod
    def log_prior(log_theta: Tensor) -> Tensor:
        """Return zero: the inverse dispersions have no prior (section 2.4)."""
        return log_theta.new_zeros(())


LIKELIHOODS = {likelihood.name: likelihood for likelihood in (Gaussian, NegativeBinomial)}

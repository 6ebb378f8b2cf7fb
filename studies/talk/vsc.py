"""Variational sparse coding (Tonolini, Jensen and Murray-Smith, 2020): factors of a sample are 0.

The prior is their spike and slab with fixed parameters; pseudo-inputs, which their paper has in its
place on images, are left out.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mssvae.core.encoders import Encoder, normal_kl
from studies.talk.vae import VAE

# Their c: draws are multiplied with sigmoid(c (u - 1 + gamma)), u uniform, which is nearly a step.
SHARPNESS = 50.0


class VSC(VAE):
    """A VAE with a spike and slab on the factors of each sample.

    ``z_k`` is from N(0, 1) with probability ``slab`` and 0 otherwise; its posterior given x is the
    same with a mean, variance and probability gamma of its own.

    Parameters
    ----------
    x, n_factors, hidden, seed, likelihood
        As of ``VAE``.
    slab : float
        Their alpha, between 0 and 1.
    """

    def __init__(
        self,
        x: Tensor,
        n_factors: int,
        hidden: Sequence[int],
        seed: int,
        likelihood: str = "gaussian",
        *,
        slab: float,
    ) -> None:
        super().__init__(x, n_factors, hidden, seed, likelihood)
        self.slab = slab
        # Also of the log odds of the slab, as further means.
        generator = torch.Generator().manual_seed(seed)
        self.encoder = Encoder(x.shape[1], hidden, 2 * n_factors, generator)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, log variance and log odds of the slab, each [N, K]."""
        means, log_variances = self.encoded(x)
        mean, log_odds = means.chunk(2, 1)
        return mean, log_variances.chunk(2, 1)[0], log_odds

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the negative lower bound of a batch per sample, from one draw."""
        mean, log_variance, log_odds = self.posterior(x)
        noise = torch.randn(mean.shape, generator=generator)
        uniform = torch.rand(mean.shape, generator=generator)
        step = torch.sigmoid(SHARPNESS * (uniform - 1 + torch.sigmoid(log_odds)))
        z = step * (mean + torch.exp(0.5 * log_variance) * noise)
        divergence = spike_and_slab_kl(mean, log_variance, log_odds, self.slab)
        return self.misfit(x, z) + divergence.sum(1).mean()

    def factors(self, x: Tensor) -> Tensor:
        """Return the posterior means of the factors, [N, K]: gamma times the slab's mean."""
        mean, _, log_odds = self.posterior(x)
        return torch.sigmoid(log_odds) * mean


def spike_and_slab_kl(mean: Tensor, log_variance: Tensor, log_odds: Tensor, slab: float) -> Tensor:
    """Return the divergence of the posterior from the prior by element, [N, K].

    ``gamma KL(N(mean, variance) || N(0, 1)) + KL(Bernoulli(gamma) || Bernoulli(slab))``.
    """
    gamma = torch.sigmoid(log_odds)
    log_gamma, log_rest = functional.logsigmoid(log_odds), functional.logsigmoid(-log_odds)
    prior = torch.tensor(slab, dtype=mean.dtype)
    bernoulli = gamma * (log_gamma - prior.log()) + (1 - gamma) * (log_rest - (-prior).log1p())
    return gamma * normal_kl(mean, log_variance) + bernoulli

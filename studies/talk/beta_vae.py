"""The beta-VAE (Higgins et al., 2017): the divergence from the prior counts beta times."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mssvae.core.encoders import normal_kl
from studies.talk.vae import VAE


class BetaVAE(VAE):
    """A VAE whose posteriors are held closer to the prior.

    Parameters
    ----------
    x, n_factors, hidden, seed
        As of ``VAE``.
    beta : float
        Weight of the divergence; 1 is the VAE.
    """

    def __init__(
        self, x: Tensor, n_factors: int, hidden: Sequence[int], seed: int, beta: float
    ) -> None:
        super().__init__(x, n_factors, hidden, seed)
        self.beta = beta

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch per sample (their eq. 4)."""
        mean, log_variance = self.encoder(x)
        noise = torch.randn(mean.shape, generator=generator)
        z = mean + torch.exp(0.5 * log_variance) * noise
        return self.misfit(x, z) + self.beta * normal_kl(mean, log_variance).sum(1).mean()

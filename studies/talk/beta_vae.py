"""The beta-VAE (Higgins et al., 2017, eq. 4): the divergence from the prior counts beta times."""

from collections.abc import Sequence

from torch import Tensor

from studies.talk.vae import VAE


class BetaVAE(VAE):
    """A VAE whose posteriors are held closer to the prior.

    Parameters
    ----------
    x, n_factors, hidden, seed, likelihood
        As of ``VAE``.
    beta : float
        Weight of the divergence; 1 is the VAE.
    """

    def __init__(
        self,
        x: Tensor,
        n_factors: int,
        hidden: Sequence[int],
        seed: int,
        likelihood: str = "gaussian",
        *,
        beta: float,
    ) -> None:
        super().__init__(x, n_factors, hidden, seed, likelihood)
        self.beta = beta

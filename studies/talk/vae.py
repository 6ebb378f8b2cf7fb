"""The variational autoencoder (Kingma and Welling, 2014), of which the others change one thing."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from mssvae.core.encoders import Encoder, normal_kl
from mssvae.core.likelihoods import LIKELIHOODS
from studies.talk.networks import DenseDecoder


class VAE(nn.Module):
    """Encoder and likelihood of the MSSVAE with one study, and a decoder without masks.

    Parameters
    ----------
    x : Tensor [N, G]
        Data, for starting values and N.
    n_factors : int
        K.
    hidden : (int, int)
        Widths of the hidden layers of encoder and decoder.
    seed : int
        Of the other starting values.
    likelihood : str
        A key of ``mssvae.core.likelihoods.LIKELIHOODS``. Library sizes of counts are those that are
        observed.
    """

    # Weight of the divergence, which a beta-VAE changes.
    beta = 1.0

    def __init__(
        self,
        x: Tensor,
        n_factors: int,
        hidden: Sequence[int],
        seed: int,
        likelihood: str = "gaussian",
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        n_features = x.shape[1]
        self.n_samples = len(x)
        self.likelihood = LIKELIHOODS[likelihood](x)
        self.encoder = Encoder(n_features, hidden, n_factors, generator)
        self.decoder = DenseDecoder(n_factors, hidden, self.likelihood.initial_bias(x), generator)

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the negative lower bound of a batch per sample (their eq. 10, one draw).

        The noise variances have the prior of the MSSVAE, which counts once for all N samples.
        """
        mean, log_variance = self.encoded(x)
        noise = torch.randn(mean.shape, generator=generator)
        z = mean + torch.exp(0.5 * log_variance) * noise
        return self.misfit(x, z) + self.beta * normal_kl(mean, log_variance).sum(1).mean()

    def misfit(self, x: Tensor, z: Tensor) -> Tensor:
        """Return minus the log-likelihood of a batch per sample, and the prior of the noise."""
        log_noise, log_library = self.likelihood.log_noise, None
        if self.likelihood.uses_library:
            log_library = self.likelihood.library(x).log().to(x)
        log_prob = self.likelihood.log_prob(x, self.decoder(z), log_library, log_noise).sum(1)
        log_prob = log_prob + self.likelihood.log_base(x)
        return -log_prob.mean() - self.likelihood.log_prior(log_noise) / self.n_samples

    def encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the encoder makes of samples."""
        return self.encoder(self.likelihood.encoder_input(x))

    def factors(self, x: Tensor) -> Tensor:
        """Return the posterior means of the factors, [N, K]."""
        return self.encoded(x)[0]

    def expected(self, z: Tensor) -> Tensor:
        """Return the expected values of the features, [N, G], given factors [N, K].

        Of counts, those of a sample of library size one.
        """
        return self.likelihood.mean(self.decoder(z), z.new_zeros(()))

    def parameters_of_adam(self) -> Iterable[nn.Parameter]:
        """Yield what Adam steps by; ``proximal_step`` has the rest."""
        return self.parameters()

    def proximal_step(self, rate: float) -> None:
        """Step by the gradient of what a penalty with corners is on; here nothing."""

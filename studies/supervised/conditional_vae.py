"""A conditional VAE of counts (Sohn, Lee and Yan, 2015): dense networks that are told the group."""

import torch
from torch import Tensor, nn
from torch.distributions import NegativeBinomial
from torch.nn import functional

from mssvae.core.encoders import normal_kl
from mssvae.core.layers import Linear


class ConditionalVAE(nn.Module):
    """Negative binomial counts; shares of a sample's total are a softmax of ``f(z, group)``.

    Parameters
    ----------
    counts : Tensor [N, G]
        To be fitted; standardises what the encoder reads, and starts the output's bias.
    n_groups, n_factors, hidden : int
        M, K, and the width of the one hidden layer of encoder and decoder.
    seed : int
        Of the starting values.
    """

    def __init__(
        self, counts: Tensor, n_groups: int, n_factors: int, hidden: int, seed: int
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        n_genes, self.n_groups = counts.shape[1], n_groups
        logs = self._logs(counts)
        self.centre, self.scale = logs.mean(0), logs.std(0).clamp_min(1e-6)
        output = Linear(hidden, n_genes, generator)
        shares = (counts / counts.sum(1, keepdim=True)).mean(0)
        output.bias.data.copy_(shares.clamp_min(1e-9).log())
        self.encoder = nn.Sequential(
            Linear(n_genes + n_groups, hidden, generator),
            nn.ReLU(),
            Linear(hidden, 2 * n_factors, generator),
        )
        self.decoder = nn.Sequential(
            Linear(n_factors + n_groups, hidden, generator), nn.ReLU(), output
        )
        self.log_theta = nn.Parameter(torch.ones(n_genes))

    @staticmethod
    def _logs(counts: Tensor) -> Tensor:
        return torch.log1p(1e4 * counts / counts.sum(1, keepdim=True))

    def posterior(self, counts: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the factors, each [n, K]."""
        x = (self._logs(counts) - self.centre) / self.scale
        both = torch.cat([x, functional.one_hot(group, self.n_groups)], 1)
        return self.encoder(both).chunk(2, 1)

    def counts_given(self, z: Tensor, group: Tensor, library: Tensor) -> NegativeBinomial:
        """Return the distribution of counts [n, G], given factors, groups and totals [n, 1]."""
        both = torch.cat([z, functional.one_hot(group, self.n_groups)], 1)
        log_mean = functional.log_softmax(self.decoder(both), 1) + library.log()
        return NegativeBinomial(self.log_theta.exp(), logits=log_mean - self.log_theta)

    def loss(self, counts: Tensor, group: Tensor, generator: torch.Generator) -> Tensor:
        """Return the negative lower bound per sample, from one draw (their eq. 4)."""
        mean, log_variance = self.posterior(counts, group)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=generator)
        log_prob = self.counts_given(z, group, counts.sum(1, keepdim=True)).log_prob(counts)
        return (normal_kl(mean, log_variance).sum(1) - log_prob.sum(1)).mean()


def trained(model: ConditionalVAE, counts: Tensor, group: Tensor, epochs: int, seed: int) -> None:
    """Train a model in place by Adam, rate 0.001, in batches of 64; ``seed`` of batches, draws."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(counts), generator=generator).split(64):
            optimiser.zero_grad()
            model.loss(counts[rows], group[rows], generator).backward()
            optimiser.step()

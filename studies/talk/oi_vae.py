"""The output-interpretable VAE (oi-VAE; Ainsworth et al., 2018): a decoder for each feature."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from mssvae.core.layers import Linear
from studies.talk.vae import VAE


class GroupLinear(nn.Module):
    """A linear layer for each of several groups, [groups, B, in] to [groups, B, out]."""

    def __init__(self, n_groups: int, n_in: int, n_out: int, generator: torch.Generator) -> None:
        super().__init__()
        layers = [Linear(n_in, n_out, generator) for _ in range(n_groups)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(self, h: Tensor) -> Tensor:
        """Return the outputs, each group's of its own inputs."""
        return torch.baddbmm(self.bias, h, self.weight)


class GroupDecoder(nn.Module):
    """A network for each group of features, here for each feature, which sees ``W_g z``.

    Column k of ``W_g`` [K x K] is zero where factor k has no effect on the feature.
    """

    def __init__(
        self, n_factors: int, hidden: Sequence[int], bias: Tensor, generator: torch.Generator
    ) -> None:
        super().__init__()
        n_groups, (first, second) = len(bias), hidden
        shape = (n_groups, n_factors, n_factors)
        self.first = nn.Parameter(torch.randn(shape, generator=generator))
        self.networks = nn.Sequential(
            GroupLinear(n_groups, n_factors, first, generator),
            nn.ReLU(),
            GroupLinear(n_groups, first, second, generator),
            nn.ReLU(),
            GroupLinear(n_groups, second, 1, generator),
        )
        self.networks[-1].bias.data.copy_(bias[:, None, None])

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs of the features, [B, G], given factors [B, K]."""
        return self.networks(z @ self.first.mT)[:, :, 0].T


class OiVAE(VAE):
    """A VAE with a decoder for each feature, and a group lasso on what these see.

    Parameters
    ----------
    x, n_factors, hidden, seed, likelihood
        As of ``VAE``.
    weight : float
        Their lambda, of the norms of the columns of ``W_g``; counts once for all N samples, as does
        the standard normal prior of the networks' parameters.
    """

    def __init__(
        self,
        x: Tensor,
        n_factors: int,
        hidden: Sequence[int],
        seed: int,
        likelihood: str = "gaussian",
        *,
        weight: float,
    ) -> None:
        super().__init__(x, n_factors, hidden, seed, likelihood)
        self.weight = weight
        generator = torch.Generator().manual_seed(seed)
        bias = self.likelihood.initial_bias(x)
        self.decoder = GroupDecoder(n_factors, hidden, bias, generator)

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch per sample, but for the group lasso."""
        squares = sum(one.square().sum() for one in self.decoder.networks.parameters())
        return super().loss(x, generator) + 0.5 * squares / self.n_samples

    def parameters_of_adam(self) -> Iterable[nn.Parameter]:
        """Yield all parameters but the ``W_g``."""
        return (one for one in self.parameters() if one is not self.decoder.first)

    @torch.no_grad()
    def proximal_step(self, rate: float) -> None:
        """Step the ``W_g`` by their gradient, then shrink their columns (their algorithm 1)."""
        first = self.decoder.first
        first -= rate * first.grad
        norms = first.norm(dim=1, keepdim=True)
        shrunk = (norms - rate * self.weight / self.n_samples).clamp_min(0)
        first *= torch.where(norms > 0, shrunk / norms, 0)

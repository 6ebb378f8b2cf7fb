"""Encoders: normal posteriors of the factors given a sample (section 2.3, appendix B.1)."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mssvae.core.layers import Linear


class Encoder(nn.Module):
    """Two hidden layers with batch norm and ReLU, then linear maps to mean and log variance.

    Appendix B.1; the family is that of section 2.3. What the paper calls sigma is taken as the
    logarithm of the variance.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of the input and of each of the two outputs.
    hidden : (int, int)
        Widths of the hidden layers.
    generator : torch.Generator
        Draws the starting values.
    """

    def __init__(
        self, n_features: int, hidden: Sequence[int], n_outputs: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = list(itertools.pairwise([n_features, *hidden]))
        self.layers = nn.ModuleList(Linear(*size, generator) for size in sizes)
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(size, device="cpu", dtype=torch.float32) for size in hidden
        )
        self.mean = Linear(hidden[-1], n_outputs, generator)
        self.log_variance = Linear(hidden[-1], n_outputs, generator)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, each [B, n_outputs], of q(. | x) for x [B, n_features].

        The first layer, which is by far the largest, multiplies in the precision of x.
        """
        for layer, norm in zip(self.layers, self.norms, strict=True):
            weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
            x = functional.linear(x, weight, bias).to(layer.weight.dtype)
            # One sample has no batch variance: it is normalised as in evaluation.
            if len(x) > 1:
                x = norm(x)
            else:
                x = functional.batch_norm(
                    x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
                )
            x = functional.relu(x)
        return self.mean(x), self.log_variance(x)


def normal_kl(
    mean: Tensor,
    log_variance: Tensor,
    prior_mean: float | Tensor = 0.0,
    prior_variance: float | Tensor = 1.0,
) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(prior_mean, prior_variance)) by element.

    The divergences of eq. 2.4 in closed form (appendix B.2.1).
    """
    prior_variance = torch.as_tensor(prior_variance, dtype=mean.dtype, device=mean.device)
    return 0.5 * (
        (log_variance.exp() + (mean - prior_mean).square()) / prior_variance
        - 1
        - log_variance
        + prior_variance.log()
    )

"""A decoder without masks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mssvae.core.layers import Linear


class DenseDecoder(nn.Sequential):
    """Two hidden layers with ReLU, then a linear map to all features: every factor has an effect.

    Parameters
    ----------
    n_factors : int
        K.
    hidden : (int, int)
        Widths of the hidden layers.
    bias : Tensor [G]
        Start of the output's bias.
    generator : torch.Generator
        Draws the other starting values.
    """

    def __init__(
        self, n_factors: int, hidden: Sequence[int], bias: Tensor, generator: torch.Generator
    ) -> None:
        first, second = hidden
        output = Linear(second, len(bias), generator)
        with torch.no_grad():
            output.bias.copy_(bias)
        super().__init__(
            Linear(n_factors, first, generator),
            nn.ReLU(),
            Linear(first, second, generator),
            nn.ReLU(),
            output,
        )

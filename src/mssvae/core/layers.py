"""Layers and tensors that do not depend on how a caller has set up torch."""

import torch
from torch import Tensor, nn


def full(shape: tuple[int, ...], value: float | bool) -> Tensor:
    """Return a tensor of one value, whatever the defaults of torch."""
    dtype = torch.bool if isinstance(value, bool) else torch.float32
    return torch.full(shape, value, dtype=dtype, device="cpu")


class Linear(nn.Linear):
    """A layer that starts as torch's do, whatever the defaults and the state of torch."""

    def __init__(
        self, n_in: int, n_out: int, generator: torch.Generator, bias: bool = True
    ) -> None:
        super().__init__(n_in, n_out, bias, device="cpu", dtype=torch.float32)
        bound = n_in**-0.5
        with torch.no_grad():
            for values in self.parameters():
                values.uniform_(-bound, bound, generator=generator)

    def reset_parameters(self) -> None:
        """Leave out what would draw from the global generator."""

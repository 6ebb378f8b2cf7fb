"""Functions that keep their digits in single precision: softplus, and log Gamma of large counts."""

import math

import torch
from torch import Tensor
from torch.nn import functional

# Half of log(2 pi).
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
# From here on, four terms of Stirling's series are exact to double precision.
_STIRLING_FROM = 16.0


def log_softplus(output: Tensor) -> Tensor:
    """Return log(softplus(output)), far below zero the output itself: softplus underflows."""
    return torch.where(output < -30, output, torch.log(functional.softplus(output.clamp_min(-30))))


def inverse_softplus(y: Tensor) -> Tensor:
    """Return x with softplus(x) = y, for y > 0."""
    return y + torch.log(-torch.expm1(-y))


def stirling_error(y: Tensor) -> Tensor:
    """Return log Gamma(y) less Stirling's ``(y - 1/2) log y - y + log(2 pi) / 2``, for y > 0.

    It is about ``1 / 12y``, and so has no large numbers to lose digits by.
    """
    small = y.clamp_max(_STIRLING_FROM)
    exact = torch.lgamma(small) - (small - 0.5) * torch.log(small) + small - HALF_LOG_TAU
    inverse = 1 / y.clamp_min(_STIRLING_FROM)
    square = inverse.square()
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return torch.where(y < _STIRLING_FROM, exact, series)


def log_gamma_ratio(x: Tensor, theta: Tensor) -> Tensor:
    """Return ``log Gamma(x + theta) - log Gamma(theta) - (x log x - x)``, for counts, theta > 0.

    By Stirling's formula, which cancels what is as large as the counts: single precision would lose
    the rest.
    """
    large = x * torch.log1p(theta / x.clamp_min(1)) + (theta - 0.5) * torch.log1p(x / theta)
    return large + stirling_error(x + theta) - stirling_error(theta)


class LogGammaRatio(torch.autograd.Function):
    """``log_gamma_ratio`` with its gradient towards theta."""

    @staticmethod
    def forward(x: Tensor, theta: Tensor) -> Tensor:
        """Return the ratio, by element."""
        return log_gamma_ratio(x, theta)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep what the gradient needs."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        """Return the gradient towards theta; counts have none."""
        x, theta = ctx.saved_tensors
        slope = torch.digamma(x + theta) - torch.digamma(theta)
        return None, (gradient * slope).sum_to_size(theta.shape)

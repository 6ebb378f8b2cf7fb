"""Spike-and-slab lasso prior on the masks (section 2.2) and its expectation step (appendix B.2.1).

All functions take a mask ``w`` of shape [G, K] (features by factors) and, per column, the slab
proportion ``eta`` of shape [K].
"""

import torch
from torch import Tensor


def slab_probability(w: Tensor, eta: Tensor, lambda0: float, lambda1: float) -> Tensor:
    """Return E[gamma | w, eta], the probability that each entry comes from the slab, [G, K].

    Written as a sigmoid of log odds, so that it neither overflows nor loses precision.
    """
    log_odds = torch.logit(eta) + torch.log(eta.new_tensor(lambda1 / lambda0))
    return torch.sigmoid(log_odds + (lambda0 - lambda1) * w.abs())


def column_scale(w: Tensor) -> Tensor:
    """Return what to multiply each column with, [K], to have weights of about 1; 1 if all are zero.

    The mean of absolute weights, each weighed with itself, is 1 then.
    """
    size = w.abs().sum(0)
    return torch.where(size > 0, size / w.square().sum(0), 1.0)


def in_slab(w: Tensor, eta: Tensor, lambda0: float, lambda1: float) -> Tensor:
    """Return which entries are more likely from the slab than from the spike, bool [G, K]."""
    return slab_probability(w, eta, lambda0, lambda1) > 0.5


def penalty_rate(gamma: Tensor, lambda0: float, lambda1: float) -> Tensor:
    """Return lambda*, the weight of |w| in the expected log prior: lambda1 g + lambda0 (1 - g)."""
    return lambda1 * gamma + lambda0 * (1 - gamma)


def updated_eta(gamma: Tensor, a: float, b: float) -> Tensor:
    """Return the closed-form maximiser of the expected log prior over eta, [K].

    ``(sum_j gamma_jk + a - 1) / (a + b + G - 2)``, kept off 0 and 1 where its logit is infinite.
    """
    eta = (gamma.sum(0) + a - 1) / (a + b + gamma.shape[0] - 2)
    edge = torch.finfo(eta.dtype).eps
    return eta.clamp(edge, 1 - edge)


def expected_log_prior(
    w: Tensor, gamma: Tensor, eta: Tensor, lambda0: float, lambda1: float, a: float, b: float
) -> Tensor:
    """Return E[log p(W | Gamma) p(Gamma | eta) p(eta)] up to constants in (W, eta), a scalar.

    Appendix B.2.1, with the sign of the penalty that a Laplace density implies: larger |w| is less
    likely (the paper prints a plus).
    """
    n_slab = gamma.sum(0)
    laplace = -(penalty_rate(gamma, lambda0, lambda1) * w.abs()).sum()
    slab = ((n_slab + a - 1) * torch.log(eta)).sum()
    spike = ((w.shape[0] - n_slab + b - 1) * torch.log1p(-eta)).sum()
    return laplace + slab + spike

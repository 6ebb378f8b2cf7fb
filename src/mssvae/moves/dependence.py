"""How factors, features and columns depend on each other: what moves judge by."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mssvae.moves.thresholds import BINS


def explained(scores: Tensor, y: Tensor) -> Tensor:
    """Return the share of each feature's variance that scores explain, [G].

    By regression on a cubic and the absolute value of each column of scores, as factors act
    nonlinearly.

    Parameters
    ----------
    scores : Tensor [n] or [n, K]
    y : Tensor [n, G]
    """
    centred = y - y.mean(0)
    total = centred.square().sum(0)
    by_scores = (_curves(scores).T @ centred).square().sum(0)
    share = by_scores / total.clamp_min(torch.finfo(scores.dtype).tiny)
    # Of a constant feature nothing but rounding errors is left.
    return share.clamp(0, 0.999) * (total > 1e-9 * total.max())


def unexplained(scores: Tensor, y: Tensor) -> Tensor:
    """Return what the same regression leaves of features, centred, [n, G]."""
    centred = y - y.mean(0)
    curves = _curves(scores)
    return centred - curves @ (curves.T @ centred)


def _curves(scores: Tensor) -> Tensor:
    """Return an orthonormal basis of 1, z, z^2, z^3 and abs(z) for each column z of scores."""
    z = scores.reshape(len(scores), -1)
    z = (z - z.mean(0)) / z.std(0).clamp_min(torch.finfo(scores.dtype).tiny)
    curves = torch.cat([torch.ones_like(z[:, :1]), z, z**2, z**3, z.abs()], 1)
    return torch.linalg.qr(curves)[0]


def slopes(scores: Tensor, y: Tensor) -> Tensor:
    """Return the slopes of features y [n, G] in the regression on scores [n], [G].

    Zero where the scores do not vary.
    """
    z = scores - scores.mean()
    return y.T @ z / z.square().sum().clamp_min(torch.finfo(z.dtype).tiny)


def slopes_of_pair(scores: Tensor, y: Tensor) -> Tensor:
    """Return the slopes of features y [n, G] in the regression on scores [n, 2], [G, 2]."""
    z = scores - scores.mean(0)
    # By the normal equations: lstsq does not round alike in every call.
    inverse = torch.linalg.pinv(z.T @ z, hermitian=True)
    return y.T @ z @ inverse


def mutual_information(one: Tensor, two: Tensor) -> np.ndarray:
    """Estimate the mutual information of each column of ``one`` with each of ``two``.

    From a histogram over quantiles of each, three to eight by the number of samples, less its bias
    for independent columns. Unlike a correlation it sees that a variable and its square, or
    its positive and its negative part, belong together.

    Parameters
    ----------
    one, two : Tensor [n, K], [n, L]

    Returns
    -------
    array [K, L]
        In nats, not below 0.
    """
    n = len(one)
    n_bins = int(np.clip(np.sqrt(n / BINS.samples), BINS.least, BINS.most))
    one, two = _quantile_bins(one, n_bins), _quantile_bins(two, n_bins)
    information = np.zeros((one.shape[1], two.shape[1]))
    for i, j in np.ndindex(*information.shape):
        counts = np.bincount(one[:, i] * n_bins + two[:, j], minlength=n_bins**2)
        joint = counts.reshape(n_bins, n_bins) / n
        product = joint.sum(1, keepdims=True) * joint.sum(0)
        cells = joint > 0
        information[i, j] = (joint[cells] * np.log(joint[cells] / product[cells])).sum()
    return np.maximum(information - (n_bins - 1) ** 2 / (2 * n), 0)


def explained_by_any_function(scores: Tensor, y: Tensor) -> Tensor:
    """Return the share of each feature's variance that a function of scores explains, [G].

    That is the variance of its means in quantile bins of the scores, up to sixteen of twenty
    samples or more; or what ``explained`` says, if that is more, as with the few bins of a small
    study.

    Parameters
    ----------
    scores : Tensor [n]
    y : Tensor [n, G]
    """
    n_bins = int(np.clip(len(scores) // BINS.samples_of_step, BINS.least, BINS.most_steps))
    bins = torch.from_numpy(_quantile_bins(scores[:, None], n_bins)[:, 0]).to(y.device)
    indicators = functional.one_hot(bins, n_bins).to(y.dtype)
    centred = y - y.mean(0)
    means = (indicators.T @ centred) / indicators.sum(0)[:, None]
    between = (indicators.sum(0)[:, None] * means.square()).sum(0)
    by_bins = between / centred.square().sum(0).clamp_min(torch.finfo(y.dtype).tiny)
    return torch.maximum(by_bins, explained(scores, y))


def _quantile_bins(values: Tensor, n_bins: int) -> np.ndarray:
    """Return in which of the bins with as many samples each the values [n, K] are."""
    ranks = values.cpu().numpy().argsort(0, kind="stable").argsort(0, kind="stable")
    return ranks * n_bins // len(ranks)


def sparsest_angle(loadings: np.ndarray) -> float:
    """Return the angle of the plane rotation with the smallest sum of absolute loadings.

    The sum is concave between the angles that bring a row onto an axis, so one of these is best.
    Unlike the varimax criterion it is not drawn off the axes by rows with two large loadings.

    Parameters
    ----------
    loadings : array [G, 2]

    Returns
    -------
    float
        In radians, in [-pi/4, pi/4); ``loadings @ [[cos, -sin], [sin, cos]]`` are the rotated ones.
    """
    angles = np.arctan2(loadings[:, 1], loadings[:, 0])
    angles = (angles + np.pi / 4) % (np.pi / 2) - np.pi / 4
    one, two = loadings.T[:, :, None]
    size = np.abs(one * np.cos(angles) + two * np.sin(angles))
    size += np.abs(two * np.cos(angles) - one * np.sin(angles))
    return float(angles[size.sum(0).argmin()])


def sparsest_rotation(loadings: Tensor) -> Tensor:
    """Return the rotation of loadings [G, 2] by ``sparsest_angle``."""
    angle = sparsest_angle(loadings.cpu().numpy())
    rotation = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return torch.tensor(rotation, dtype=loadings.dtype, device=loadings.device)


def jaccard(one: Tensor, two: Tensor) -> float:
    """Return the Jaccard index of two supports [G]; 1 for two empty ones."""
    union = int((one | two).sum())
    return int((one & two).sum()) / union if union else 1.0

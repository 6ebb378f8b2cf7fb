"""Posteriors of the factors of a linear model: Newton's method, one sample's factors at a time."""

import logging

import torch
from torch import Tensor

from mssvae.core.linear.state import (
    LinearState,
    Parameters,
    Posterior,
    output_deviation,
    pair_products,
    precisions,
    safe_cholesky,
    symmetric,
)
from mssvae.fitting.linear.tuning import POSTERIORS

log = logging.getLogger(__name__)


def update_posteriors(state: LinearState) -> None:
    """Take one Newton step of all samples, towards the normal posterior at its mode."""
    pieces = [[] for _ in state.data]
    for study, data, at in state.chunks():
        pieces[study].append(newton_step(state.parameters, study, data.x, data.factors, at))
    state.posteriors = [
        Posterior(
            torch.cat([piece.mean for piece in of_study]),
            torch.cat([piece.covariance for piece in of_study]),
            torch.cat([piece.log_library for piece in of_study]),
        )
        for of_study in pieces
    ]


def update_factor_covariances(state: LinearState) -> None:
    """Set the covariances of the factors' prior to those of maximum expected posterior.

    Columns without an entry keep a factor of variance 1 that depends on no other.
    """
    extra, covariances = POSTERIORS.independent, []
    for data, posterior in zip(state.data, state.posteriors, strict=True):
        live, n = state.live[data.factors], len(data.x)
        moments = posterior.mean.T @ posterior.mean + posterior.covariance.sum(0)
        one = torch.eye(len(live), dtype=moments.dtype, device=moments.device)
        covariance = (moments + extra * one) / (n + extra)
        covariances.append(torch.where(live & live[:, None], covariance, one))
    state.parameters.factor_covariances = torch.stack(covariances)


def newton_step(
    parameters: Parameters, study: int, x: Tensor, factors: Tensor, at: Posterior
) -> Posterior:
    """Return the posterior after one step from ``at``; its covariance is that of ``at``.

    Expected information takes the place of second derivatives, so that it is always positive.

    Parameters
    ----------
    x : Tensor [n, G]
        The features of ``parameters``.
    factors : Tensor [k]
        Those that the samples have: of their study, or the shared ones alone.
    """
    observation, loadings = parameters.observation, parameters.loadings[:, factors]
    k = loadings.shape[1]
    prior = precisions(parameters.factor_covariances[study, :k, :k])
    output = parameters.output(study, factors, at.mean)
    log_depth = at.log_library + parameters.log_scale
    score, information = observation.score(x, output, log_depth, parameters.log_noise)
    precision = symmetric(information @ pair_products(loadings.T.contiguous()).T, k) + prior
    factor = safe_cholesky(precision)
    slope = score @ loadings - at.mean @ prior
    step = torch.cholesky_solve(slope[:, :, None], factor)[:, :, 0]
    if not observation.exact:
        step = step * (
            POSTERIORS.longest / step.norm(dim=1, keepdim=True).clamp_min(POSTERIORS.longest)
        )
    length, change = x.new_zeros(len(x), 1), step @ loadings.T

    def log_posterior(samples: Tensor) -> Tensor:
        t = length[samples]
        fit = observation.kernel(
            x[samples],
            output[samples] + t * change[samples],
            log_depth[samples],
            parameters.log_noise,
        )
        z = at.mean[samples] + t * step[samples]
        return fit.sum(1) - 0.5 * ((z @ prior) * z).sum(1)

    worse = torch.arange(len(x) if k else 0, device=x.device)
    before = log_posterior(worse)
    length.fill_(1)
    for _ in range(POSTERIORS.tries):
        worse = worse[log_posterior(worse) < before[worse]]
        if not len(worse):
            break
        length[worse] *= POSTERIORS.shorter
    else:
        length[worse] = 0
    log_library = at.log_library
    if observation.uses_library:
        slope, curvature = observation.library_score(x, output, log_depth, parameters.log_noise)
        precision = 1 / parameters.library_variance
        slope = slope - (log_library - parameters.library_mean) * precision
        move = (slope / (curvature + precision)).clamp(
            -POSTERIORS.longest_library, POSTERIORS.longest_library
        )
        log_library = log_library + move
    return Posterior(at.mean + length * step, torch.cholesky_inverse(factor), log_library)


def infer(parameters: Parameters, study: int, x: Tensor, factors: Tensor) -> Posterior:
    """Return the posterior of samples that were not seen in training, from the prior's mean."""
    n, k = len(x), len(factors)
    log_library = x.new_zeros(n, 1)
    if parameters.observation.uses_library:
        expected = parameters.observation.mean(
            parameters.bias + parameters.intercepts[study], parameters.log_scale
        ).sum()
        log_library = torch.log(x.sum(1, keepdim=True).clamp_min(1) / expected)
    posterior = Posterior(
        x.new_zeros(n, k), torch.eye(k, dtype=x.dtype, device=x.device).expand(n, k, k), log_library
    )
    for _ in range(POSTERIORS.from_nothing):
        before = posterior
        posterior = newton_step(parameters, study, x, factors, before)
        moved = (posterior.mean - before.mean).abs().amax(1) if k else posterior.mean.new_zeros(n)
        if (moved <= POSTERIORS.small_change).all():
            return posterior
    log.warning(
        "factors of %d samples are not exact: their values are extreme",
        int((moved > POSTERIORS.small_change).sum()),
    )
    return posterior


def expected_values(
    parameters: Parameters, study: int, factors: Tensor, posterior: Posterior
) -> Tensor:
    """Return the posterior means of the expected values, [n, G].

    Over the posterior of each output by two points, one standard deviation to either side of its
    mean: exact for polynomials up to the third degree.
    """
    output = parameters.output(study, factors, posterior.mean)
    deviation = output_deviation(
        parameters.loadings[:, factors].T.contiguous(), posterior.covariance
    )
    log_depth = posterior.log_library + parameters.log_scale
    mean = parameters.observation.mean
    return 0.5 * (mean(output + deviation, log_depth) + mean(output - deviation, log_depth))

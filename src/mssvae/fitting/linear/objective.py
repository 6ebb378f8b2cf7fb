"""The objective of a linear fit, as a row of its history, and the noise that maximises it."""

from collections.abc import Iterator

import torch
from torch import Tensor

from mssvae.core.linear.state import (
    LinearState,
    Posterior,
    output_deviation,
    precisions,
    safe_cholesky,
)
from mssvae.fitting.linear.tuning import POSTERIORS


def _outputs(
    state: LinearState, features: Tensor | slice = slice(None)
) -> Iterator[tuple[int, Posterior, tuple[Tensor, ...]]]:
    """Yield some samples at a time: study, posterior, and (x, output, deviation, log_depth)."""
    parameters = state.parameters.of_features(features)
    for study, data, posterior in state.chunks():
        output = parameters.output(study, data.factors, posterior.mean)
        loadings = parameters.loadings[:, data.factors].T.contiguous()
        deviation = output_deviation(loadings, posterior.covariance)
        log_depth = posterior.log_library + parameters.log_scale
        yield study, posterior, (data.x[:, features], output, deviation, log_depth)


def updated_noise(state: LinearState) -> Tensor:
    """Return the logarithms of the noise after an update, [G]."""
    features, noise = state.estimates_noise.nonzero().flatten(), state.parameters.log_noise.clone()
    pieces = (piece for *_, piece in _outputs(state, features))
    update = state.parameters.observation.updated_noise
    noise[features] = update(pieces, noise[features], state.spread[features])
    return noise


def history_row(state: LinearState, lambda0: float) -> dict[str, float]:
    """Return the row of the history of the present state."""
    parameters, n, n_shared = state.parameters, state.n_samples, state.n_shared
    observation, log_noise = parameters.observation, parameters.log_noise
    fit, kl_shared, kl, kl_library = state.log_base, 0.0, 0.0, 0.0
    for study, posterior, (x, output, deviation, log_depth) in _outputs(state):
        for sign in (1, -1):
            kernel = observation.kernel(x, output + sign * deviation, log_depth, log_noise)
            fit += 0.5 * kernel.sum(dtype=torch.float64).item()
        fit += observation.log_of_noise(x, log_noise)
        prior = parameters.factor_covariances[study]
        kl += _kl(posterior.mean, posterior.covariance, prior)
        kl_shared += _kl(
            posterior.mean[:, :n_shared],
            posterior.covariance[:, :n_shared, :n_shared],
            prior[:n_shared, :n_shared],
        )
        if observation.uses_library:
            away = (posterior.log_library - parameters.library_mean).square()
            kl_library += 0.5 * (away / parameters.library_variance).sum().item()
    penalty = float((state.support.sum(0) * state.price).sum())
    elbo = (fit - kl - kl_library) / n
    return {
        "lambda0": lambda0,
        "objective": elbo - (penalty + _covariance_penalty(parameters.factor_covariances)) / n,
        "elbo": elbo,
        "reconstruction": fit / n,
        "kl": (kl + kl_library) / n,
        "kl_shared": kl_shared / n,
        "kl_specific": (kl - kl_shared) / n,
        "kl_library": kl_library / n,
        "penalty": penalty,
        "n_active_shared": int(state.live[:n_shared].sum()),
        "n_active_specific": int(state.live[n_shared:].sum()),
        "n_slab": int(state.support.sum()),
    }


def _kl(mean: Tensor, covariance: Tensor, prior: Tensor) -> float:
    """Return the divergence of normal posteriors from the prior, over samples, in nats.

    The prior has mean zero and covariance ``prior`` [k, k].
    """
    if not mean.shape[1]:
        return 0.0
    precision = precisions(prior)
    trace = (covariance * precision).sum((1, 2))
    log_determinant = 2 * safe_cholesky(covariance.clone()).diagonal(dim1=1, dim2=2).log().sum(1)
    squares = ((mean @ precision) * mean).sum(1)
    divergence = trace + squares - mean.shape[1] - log_determinant + prior.double().logdet()
    return 0.5 * divergence.sum(dtype=torch.float64).item()


def _covariance_penalty(covariances: Tensor) -> float:
    """Return what the covariances [M, k, k] of the factors cost, in nats; nothing at ones.

    Of the normal prior of as many independent samples as ``POSTERIORS.independent``.
    """
    traces = precisions(covariances).diagonal(dim1=1, dim2=2).sum(1)
    cost = covariances.double().logdet() + traces - covariances.shape[1]
    return 0.5 * POSTERIORS.independent * cost.sum().item()

"""Loadings of a linear model, one feature's at a time, under the spike-and-slab lasso.

With the decoder's weights free beside the masks, a mask entry in the slab costs next to nothing by
its size, and one at zero nothing: the prior sets a price on being there, which an entry has to gain
in log-likelihood (``entry_price``). That is its maximum a posteriori, taken by coordinate descent
on the quadratic approximation of the expected log-likelihood.
"""

import math

import torch
from torch import Tensor

from mssvae.core.linear.state import (
    LinearState,
    Parameters,
    output_deviation,
    pair_products,
    pairs,
    safe_cholesky,
)
from mssvae.fitting.linear.tuning import LOADINGS


def entry_price(state: LinearState, lambda0: float, lambda1: float, weight: float) -> Tensor:
    """Return what an entry of weight 1 costs in the slab instead of zero, by column, [K].

    ``log((1 - eta) lambda0 / (eta lambda1)) + lambda1`` nats, times the weight of the prior.
    """
    n_features = len(state.spread)
    eta = (state.support.sum(0).to(state.spread) / (2 * n_features - 1)).clamp(1e-6, 1 - 1e-6)
    odds = torch.log((1 - eta) / eta) + math.log(lambda0 / lambda1)
    return weight * (odds + lambda1).clamp_min(0)


def update_loadings(state: LinearState, selects: bool, grows: bool = True) -> None:
    """Update loadings, bias and intercepts of all features.

    Parameters
    ----------
    state : LinearState
        Changed in place.
    selects : bool
        Whether entries have to pay ``state.price``; else all may be other than zero.
    grows : bool
        Whether entries may leave zero. If neither, the support is held.
    """
    parameters = state.parameters
    n_factors = parameters.loadings.shape[1]
    slope, curvature = _moments(state)
    old = _terms(parameters)
    ridge = _ridge(state, old)
    slope = slope - ridge * old
    diagonal = curvature.diagonal(dim1=0, dim2=1).T  # A view, [P, G].
    diagonal += ridge + 1e-6 * diagonal.mean(0) + 1e-8
    limit = LOADINGS.longest * state.spread
    if selects or not grows:
        new = _coordinate_descent(old, slope, curvature, state.price, limit, selects, grows)
    else:
        new = old + _newton_step(slope, curvature).clamp(-limit, limit)
    if parameters.observation.uses_library:  # Otherwise the approximation is exact.
        new = _line_search(state, old, new, ridge)
    loadings = new[:n_factors].T.contiguous()
    if selects:
        loadings = loadings * ((loadings != 0).sum(0) >= LOADINGS.least_entries)
    parameters.loadings = loadings
    parameters.bias = new[n_factors]
    parameters.intercepts = new[n_factors + 1 :]


def update_intercepts(state: LinearState) -> None:
    """Update bias and intercepts of all features alone, by one Newton step; loadings stay."""
    parameters = state.parameters
    n_factors = parameters.loadings.shape[1]
    slope, curvature = _moments(state)
    terms = _terms(parameters)
    ridge = _ridge(state, terms)[n_factors:]
    old = terms[n_factors:]
    curvature = curvature[n_factors:, n_factors:]
    curvature.diagonal(dim1=0, dim2=1).T.add_(ridge + 1e-6)
    slope = slope[n_factors:] - ridge * old
    limit = LOADINGS.longest * state.spread
    new = old + _newton_step(slope, curvature).clamp(-limit, limit)
    parameters.bias = new[0]
    parameters.intercepts = new[1:]


def _newton_step(slope: Tensor, curvature: Tensor) -> Tensor:
    """Return the step [P, G] to where the slope [P, G] of each feature is zero."""
    factor = safe_cholesky(curvature.permute(2, 0, 1).contiguous())
    return torch.cholesky_solve(slope.T[:, :, None], factor)[:, :, 0].T


def _terms(parameters: Parameters) -> Tensor:
    """Return loadings, bias and intercepts of each feature, [P, G].

    Features are last here, as what follows goes through terms one by one.
    """
    return torch.cat([parameters.loadings.T, parameters.bias[None], parameters.intercepts])


def _moments(state: LinearState) -> tuple[Tensor, Tensor]:
    """Return slope [P, G] and curvature [P, P, G] of the expected log-likelihood.

    Towards the loadings of all factors, the bias and the intercepts of the studies, P in all. The
    expectation over the factors is to second order, with expected information.
    """
    parameters = state.parameters
    n_features, n_factors = parameters.loadings.shape
    n_terms = n_factors + 1 + len(state.data)
    slope = parameters.bias.new_zeros(n_terms, n_features)
    curvature = parameters.bias.new_zeros(n_terms, n_terms, n_features)
    entries = curvature.view(n_terms * n_terms, n_features)
    for study, data, posterior in state.chunks():
        n, k = posterior.mean.shape
        output = parameters.output(study, data.factors, posterior.mean)
        log_depth = posterior.log_library + parameters.log_scale
        score, information = parameters.observation.score(
            data.x, output, log_depth, parameters.log_noise
        )
        # The study's intercept moves with the bias, as both are there for all of its samples.
        intercept = data.factors.new_tensor([n_factors + 1 + study])
        places = torch.cat([data.factors, data.factors.new_tensor([n_factors])])
        terms = torch.cat([posterior.mean, posterior.mean.new_ones(n, 1)], 1).T.contiguous()
        rows, columns = pairs(k + 1, terms.device)
        of_terms = pair_products(terms) @ information
        slope_of_study = terms @ score

        uncertain_rows, uncertain_columns = pairs(k, terms.device)
        uncertainty = posterior.covariance[:, uncertain_rows, uncertain_columns].T @ information
        loadings = parameters.loadings[:, data.factors].T
        apart = uncertain_rows != uncertain_columns
        slope_of_study.index_add_(
            0, uncertain_rows, uncertainty * loadings[uncertain_columns], alpha=-1
        )
        slope_of_study.index_add_(
            0,
            uncertain_columns[apart],
            uncertainty[apart] * loadings[uncertain_rows[apart]],
            alpha=-1,
        )
        of_terms[: len(uncertainty)] += uncertainty  # The bias comes last, and is certain.

        entries.index_add_(0, places[rows] * n_terms + places[columns], of_terms)
        apart = rows != columns
        entries.index_add_(0, (places[columns] * n_terms + places[rows])[apart], of_terms[apart])
        slope[places] += slope_of_study
        with_bias = of_terms[rows == k]
        slope[intercept] += slope_of_study[k]
        curvature[intercept, intercept] += with_bias[k]
        curvature[intercept, places] += with_bias
        curvature[places, intercept] += with_bias
    return slope, curvature


def _ridge(state: LinearState, terms: Tensor) -> Tensor:
    """Return the prior precisions of all terms, [P, G]."""
    n_factors, square = state.parameters.loadings.shape[1], state.spread.square()
    mean_square = state.relative_loadings.square().sum(0) / state.support.sum(0).clamp_min(1)
    ridge = torch.zeros_like(terms)
    ridge[:n_factors] = LOADINGS.ridge / (mean_square.clamp_min(1e-4)[:, None] * square)
    ridge[n_factors + 1 :] = LOADINGS.intercept_ridge / square
    return ridge


def _coordinate_descent(
    old: Tensor,
    slope: Tensor,
    curvature: Tensor,
    price: Tensor,
    limit: Tensor,
    selects: bool,
    grows: bool,
) -> Tensor:
    """Return the terms [P, G] that maximise the quadratic approximation, less prices."""
    n_factors, n_terms = len(price), len(old)
    new, rest = old.clone(), slope.clone()  # The slope at the new terms.
    allowed = torch.ones_like(old, dtype=torch.bool) if grows else old != 0
    for _ in range(LOADINGS.sweeps):
        for k in [*range(n_factors, n_terms), *range(n_factors)]:
            height = curvature[k, k]
            best = new[k] + rest[k] / height
            if k >= n_factors:
                best = torch.maximum(torch.minimum(best, old[k] + limit), old[k] - limit)
            elif selects:
                best = best * (allowed[k] & (0.5 * best.square() * height > price[k]))
            else:
                best = best * allowed[k]
            rest -= curvature[k] * (best - new[k])
            new[k] = best
    return new


def _line_search(state: LinearState, old: Tensor, new: Tensor, ridge: Tensor) -> Tensor:
    """Return terms between old and new, with the support of the new, of no lower likelihood."""
    n_factors = state.parameters.loadings.shape[1]
    kept = new != 0
    kept[n_factors:] = True
    start = old * kept
    length = torch.ones_like(old[0])
    worse = torch.arange(len(length), device=old.device)
    before = _log_likelihood(state, start, ridge, worse)
    for _ in range(LOADINGS.tries):
        tried = start[:, worse] + length[worse] * (new - start)[:, worse]
        worse = worse[_log_likelihood(state, tried, ridge[:, worse], worse) < before[worse]]
        if not len(worse):
            break
        length[worse] *= LOADINGS.shorter
    else:
        length[worse] = 0
    return start + length * (new - start)


def _log_likelihood(state: LinearState, terms: Tensor, ridge: Tensor, features: Tensor) -> Tensor:
    """Return the expected log-likelihood of some features, less what the ridge takes, [g].

    Up to constants; over each output's posterior by two points, as ``expected_values``.
    """
    parameters, n_factors = state.parameters, state.parameters.loadings.shape[1]
    total = -0.5 * (ridge * terms.square()).sum(0)
    for study, data, posterior in state.chunks():
        loadings = terms[data.factors]
        output = posterior.mean @ loadings + terms[n_factors] + terms[n_factors + 1 + study]
        deviation = output_deviation(loadings, posterior.covariance)
        log_depth = posterior.log_library + parameters.log_scale[features]
        log_noise, x = parameters.log_noise[features], data.x[:, features]
        kernel = parameters.observation.kernel
        total += 0.5 * kernel(x, output + deviation, log_depth, log_noise).sum(0)
        total += 0.5 * kernel(x, output - deviation, log_depth, log_noise).sum(0)
    return total

"""Where linear fits start: factor analysis of all samples, then of what it leaves of each study."""

import warnings

import numpy as np
import torch
from torch import Tensor

from mssvae.core.linear.observations import CountObservation, GaussianObservation
from mssvae.core.linear.state import CHUNK, LinearState, Parameters, Posterior, StudyData
from mssvae.fitting.linear.tuning import START


def start(
    observation: type[GaussianObservation] | type[CountObservation],
    x: Tensor,
    study: Tensor,
    n_shared: int,
    n_specific: int,
) -> LinearState:
    """Return where a linear fit of data x [N, G] starts.

    Parameters
    ----------
    study : Tensor [N]
        The number of each sample's study.
    n_shared, n_specific : int
        K_S, and K_m of each study.
    """
    state, values = start_without_factors(observation, x, study, n_shared, n_specific)
    loadings = state.parameters.loadings
    scores, weights = _factors(values, n_shared)  # Fewer, if there are fewer samples or features.
    loadings[:, : weights.shape[1]] = weights
    rest = values - scores @ weights.T
    for number, (data, posterior) in enumerate(zip(state.data, state.posteriors, strict=True)):
        of_study = (study == number).nonzero().flatten()
        posterior.mean[:, : scores.shape[1]] = scores[of_study]
        n_own = min(n_specific, len(of_study) // START.samples_per_factor)
        own, weights = _factors(rest[of_study], n_own)
        posterior.mean[:, n_shared : n_shared + own.shape[1]] = own
        loadings[:, data.factors[n_shared:][: own.shape[1]]] = weights
        posterior.covariance *= START.variance
    state.parameters.loadings = loadings * state.spread[:, None]
    return state


def start_without_factors(
    observation: type[GaussianObservation] | type[CountObservation],
    x: Tensor,
    study: Tensor,
    n_shared: int,
    n_specific: int,
) -> tuple[LinearState, Tensor]:
    """Return a state with loadings of zero, and the standardised values [N, G] to find some in.

    Parameters are as in ``start``. Posteriors of factors are their prior.
    """
    rows = [(study == m).nonzero().flatten() for m in range(int(study.max()) + 1)]
    first = observation.start(x)
    by_study = torch.stack([first.values[of_study].mean(0) for of_study in rows])
    values = first.values - by_study[study]
    deviation = values.std(0).clamp_min(1e-30)
    values = values / deviation
    spread = deviation * first.slope
    loadings = x.new_zeros(x.shape[1], n_shared + len(rows) * n_specific)
    factors = [
        torch.cat([torch.arange(n_shared), n_shared + m * n_specific + torch.arange(n_specific)])
        for m in range(len(rows))
    ]
    posteriors = []
    for of_study, places in zip(rows, factors, strict=True):
        n, k = len(of_study), len(places)
        prior = torch.eye(k, dtype=x.dtype, device=x.device).expand(n, k, k).clone()
        posteriors.append(Posterior(x.new_zeros(n, k), prior, first.log_library[of_study]))
    parameters = Parameters(
        observation,
        loadings,
        first.bias,
        first.slope * (by_study - first.values.mean(0)),
        first.log_noise,
        first.log_scale,
        first.library_mean,
        first.library_variance,
        torch.eye(n_shared + n_specific).to(x).repeat(len(rows), 1, 1),
    )
    data = [StudyData(x[of_study], places) for of_study, places in zip(rows, factors, strict=True)]
    price = x.new_zeros(loadings.shape[1])
    log_base = sum(map(observation.log_base, x.split(CHUNK)))
    state = LinearState(
        parameters, data, posteriors, n_shared, spread, first.estimates_noise, log_base, price
    )
    return state, values


def _factors(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return scores [n, k] of unit variance and loadings [G, k] of a factor analysis.

    Rotated by varimax. The same whatever the seed of the model: a fit starts from the data.
    """
    from sklearn.decomposition import FactorAnalysis  # Here, as to load it takes a second.
    from sklearn.exceptions import ConvergenceWarning

    y = values.cpu().numpy()
    if k == 0:
        return values[:, :0], values.T[:, :0]
    k = min(k, *y.shape)
    analysis = FactorAnalysis(
        k, rotation="varimax", svd_method="randomized", random_state=0, max_iter=START.iterations
    )
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        scores = analysis.fit_transform(y)
    scores = scores / (scores.std(0) + 1e-9)
    loadings = np.linalg.lstsq(scores, y, rcond=None)[0].T
    return tuple(
        torch.as_tensor(np.ascontiguousarray(table), dtype=values.dtype, device=values.device)
        for table in (scores, loadings)
    )

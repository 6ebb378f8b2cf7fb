"""The linear fit: posteriors and loadings in turn, while the prior asks for more and more."""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from mssvae.core.linear.observations import OBSERVATIONS
from mssvae.core.linear.state import (
    LinearState,
    Parameters,
    Posterior,
    output_deviation,
    safe_cholesky,
)
from mssvae.errors import FitError
from mssvae.fitting.linear.loadings import entry_price, update_intercepts, update_loadings
from mssvae.fitting.linear.posteriors import update_posteriors
from mssvae.fitting.linear.start import start, start_without_factors
from mssvae.fitting.progress import progress
from mssvae.moves.linear import MOVES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """How long each stage of a linear fit takes, in iterations.

    Attributes
    ----------
    dense : int
        With all loadings, at most: until the objective gains less than ``tolerance``.
    rung : int
        With each rate of the spike.
    trial : int
        Of them after a move, and without it, before the two are compared.
    held : int
        With the supports held, at most: until the objective gains less than ``tolerance``.
    projected : int
        Of a fit to other samples, whose loadings are given.
    tolerance : float
        Nats per sample and feature.
    """

    dense: int = 20
    rung: int = 6
    trial: int = 2
    held: int = 20
    projected: int = 30
    tolerance: float = 1e-4


SCHEDULE = Schedule()
# The rungs before which moves are tried. Columns are dropped once entries were selected; factors
# are turned until their supports are known.
MOVES_AT = {"drop": (1, 2), "rotate": (0, 1), "shear": (0, 1), "split": (0, 1, 2)}


@dataclass
class _Course:
    """A fit under way: its state, and what is kept of its iterations."""

    state: LinearState
    history: list[dict[str, object]]
    lambda0: float = 0.0

    def iterate(self, bar=None, **selection: bool) -> float:
        """Update everything once; return the objective, in nats of all samples."""
        state = self.state
        update_posteriors(state)
        state.unit_moments()
        update_loadings(state, **selection)
        if len(self.history) >= state.parameters.observation.noise_from:
            state.parameters.log_noise = _updated_noise(state)
        row = _row(state, self.lambda0)
        if not math.isfinite(row["objective"]):
            raise FitError(
                f"the objective is not finite in iteration {len(self.history) + 1}: look for "
                "samples or features with extreme values"
            )
        self.history.append({"epoch": len(self.history) + 1, **row, "moves": ""})
        if bar is not None:
            bar.update()
        return row["objective"] * state.n_samples


@contextmanager
def _extreme_values_are_told() -> Iterator[None]:
    """Raise FitError where matrices cannot be factorised."""
    try:
        yield
    except torch.linalg.LinAlgError as error:
        raise FitError(
            f"the fit cannot go on: {error}: look for samples or features with extreme values"
        ) from error


def fit_linear(
    likelihood: str,
    x: Tensor,
    study: Tensor,
    n_shared: int,
    n_specific: int,
    rates: Sequence[float],
    lambda1: float,
    weight: float,
) -> tuple[LinearState, pd.DataFrame]:
    """Fit the linear model and return its state, and its history by iteration.

    Parameters
    ----------
    likelihood : {"gaussian", "negative_binomial"}
    x : Tensor [N, G]
    study : Tensor [N]
        The number of each sample's study.
    rates : sequence of float
        Rates of the spike, one rung after the other (``lambda0``).
    lambda1 : float
        Rate of the slab.
    weight : float
        Of the prior: 1 is the objective as written (N over ``prior_scale``).

    Raises
    ------
    FitError
        If values are too extreme for single precision.

    Returns
    -------
    state : LinearState
    history : DataFrame
        A row per iteration, as that of ``mssvae.fitting.networks.loop.fit``, and ``moves``: what
        was tried before the iteration, whether it was kept, and what the objective gained, in nats.
    """
    return next(fit_path(likelihood, x, study, n_shared, n_specific, rates, lambda1, [weight]))


@torch.no_grad()
def fit_path(
    likelihood: str,
    x: Tensor,
    study: Tensor,
    n_shared: int,
    n_specific: int,
    rates: Sequence[float],
    lambda1: float,
    weights: Sequence[float],
) -> Iterator[tuple[LinearState, pd.DataFrame]]:
    """Yield what ``fit_linear`` gives with each weight of the prior.

    All go on from one fit with all loadings, before which the prior has no say.
    """
    total = SCHEDULE.dense + len(weights) * (len(rates) * SCHEDULE.rung + SCHEDULE.held)
    with progress(range(total), total) as bar, _extreme_values_are_told():
        dense = _Course(start(OBSERVATIONS[likelihood], x, study, n_shared, n_specific), [])
        _until_still(dense, bar, SCHEDULE.dense, selects=False)
        for weight in weights:
            course = _Course(dense.state.copy(), list(dense.history))
            _select(course, bar, rates, lambda1, weight)
            yield course.state, pd.DataFrame(course.history)


def _select(course: _Course, bar, rates: Sequence[float], lambda1: float, weight: float) -> None:
    """Go through the rungs, and then on with the supports held."""
    for rung, rate in enumerate(rates):
        course.lambda0 = rate
        course.state.price = entry_price(course.state, rate, lambda1, weight)
        for name in MOVES:
            if rung in MOVES_AT[name]:
                _try_move(course, name, bar)
        for _ in range(SCHEDULE.rung):
            course.state.price = entry_price(course.state, rate, lambda1, weight)
            course.iterate(bar, selects=True)
        log.info(
            "lambda0 %g: %d shared, %d specific factors, %d weights, elbo %.2f",
            rate,
            *(course.history[-1][key] for key in _SHOWN),
        )
    _until_still(course, bar, SCHEDULE.held, selects=False, grows=False)
    update_posteriors(course.state)


@torch.no_grad()
@_extreme_values_are_told()
def refit_linear(
    state: LinearState,
    support: Tensor,
    history: pd.DataFrame,
    rate: float,
    lambda1: float,
    weight: float,
) -> pd.DataFrame:
    """Go on with a linear fit, with a part of its support that is held; return its history.

    Parameters
    ----------
    state : LinearState
        Changed in place.
    support : Tensor of bool [G, K]
        Which loadings stay.
    history : DataFrame
        What ``fit_linear`` returned; the iterations that are added come after.
    rate : float
        Of the spike, the last one.
    lambda1, weight : float
        As for ``fit_linear``.

    Raises
    ------
    FitError
        If values are too extreme for single precision.
    """
    parameters = state.parameters
    gone = state.live & ~support.any(0)
    for data, posterior in zip(state.data, state.posteriors, strict=True):
        for k in gone[data.factors].nonzero().flatten():
            posterior.forget(k)
    parameters.loadings = parameters.loadings * support
    course = _Course(state, history.to_dict("records"), rate)
    state.price = entry_price(state, rate, lambda1, weight)
    with progress(range(SCHEDULE.held), SCHEDULE.held) as bar:
        _until_still(course, bar, SCHEDULE.held, selects=False, grows=False)
    update_posteriors(state)
    return pd.DataFrame(course.history)


@torch.no_grad()
@_extreme_values_are_told()
def project_linear(likelihood: str, x: Tensor, study: Tensor, loadings: Tensor) -> Parameters:
    """Fit all but the loadings of shared factors, which are given; there are no others.

    Parameters
    ----------
    likelihood, x, study
        As for ``fit_linear``.
    loadings : Tensor [G, K]
        Of a fit to other samples.

    Raises
    ------
    FitError
        If values are too extreme for single precision.
    """
    observation, n_shared = OBSERVATIONS[likelihood], loadings.shape[1]
    state, _ = start_without_factors(observation, x, study, n_shared, 0)
    state.parameters.loadings = loadings
    for iteration in range(SCHEDULE.projected):
        update_posteriors(state)
        update_intercepts(state)
        if iteration >= observation.noise_from:
            state.parameters.log_noise = _updated_noise(state)
    return state.parameters


_SHOWN = ("n_active_shared", "n_active_specific", "n_slab", "elbo")


def _until_still(course: _Course, bar, most: int, **selection: bool) -> None:
    """Iterate until the objective is still, but not before noise is estimated."""
    least = max(2, course.state.parameters.observation.noise_from + 2 - len(course.history))
    smallest = SCHEDULE.tolerance * course.state.n_samples * len(course.state.spread)
    before = -torch.inf
    for iteration in range(most):
        now = course.iterate(bar, **selection)
        if iteration >= least and now - before < smallest:
            break
        before = now


def _try_move(course: _Course, name: str, bar) -> None:
    """Make a move if the objective after a short training is better with it than without."""
    before, history = course.state.copy(), list(course.history)
    n = MOVES[name](course.state)
    if not n:
        course.state = before
        return
    after_move = [course.iterate(selects=True) for _ in range(SCHEDULE.trial)][-1]
    moved = course.state, course.history
    course.state, course.history = before, history
    without = [course.iterate(selects=True) for _ in range(SCHEDULE.trial)][-1]
    gain = after_move - without
    if gain > 0:
        course.state, course.history = moved
    kept = "kept" if gain > 0 else "undone"
    course.history[-1]["moves"] += f"{name} of {n}: {kept}, {gain:+.1f} nats; "
    log.info("%s of %d columns: %s, %+.1f nats", name, n, kept, gain)
    bar.update(SCHEDULE.trial)


def _outputs(
    state: LinearState, features: Tensor | slice = slice(None)
) -> Iterator[tuple[Posterior, tuple[Tensor, ...]]]:
    """Yield some samples at a time: their posterior, and (x, output, deviation, log_depth)."""
    parameters = state.parameters.of_features(features)
    for study, data, posterior in state.chunks():
        output = parameters.output(study, data.factors, posterior.mean)
        loadings = parameters.loadings[:, data.factors].T.contiguous()
        deviation = output_deviation(loadings, posterior.covariance)
        log_depth = posterior.log_library + parameters.log_scale
        yield posterior, (data.x[:, features], output, deviation, log_depth)


def _updated_noise(state: LinearState) -> Tensor:
    features, noise = state.estimates_noise.nonzero().flatten(), state.parameters.log_noise.clone()
    pieces = (piece for _, piece in _outputs(state, features))
    updated = state.parameters.observation.updated_noise
    noise[features] = updated(pieces, noise[features], state.spread[features])
    return noise


def _row(state: LinearState, lambda0: float) -> dict[str, float]:
    """Return the row of the history of the present state."""
    parameters, n, n_shared = state.parameters, state.n_samples, state.n_shared
    observation, log_noise = parameters.observation, parameters.log_noise
    fit, kl_shared, kl, kl_library = state.log_base, 0.0, 0.0, 0.0
    for posterior, (x, output, deviation, log_depth) in _outputs(state):
        for sign in (1, -1):
            kernel = observation.kernel(x, output + sign * deviation, log_depth, log_noise)
            fit += 0.5 * kernel.sum(dtype=torch.float64).item()
        fit += observation.log_of_noise(x, log_noise)
        kl += _kl(posterior.mean, posterior.covariance)
        kl_shared += _kl(
            posterior.mean[:, :n_shared], posterior.covariance[:, :n_shared, :n_shared]
        )
        if observation.uses_library:
            away = (posterior.log_library - parameters.library_mean).square()
            kl_library += 0.5 * (away / parameters.library_variance).sum().item()
    penalty = float((state.support.sum(0) * state.price).sum())
    elbo = (fit - kl - kl_library) / n
    return {
        "lambda0": lambda0,
        "objective": elbo - penalty / n,
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


def _kl(mean: Tensor, covariance: Tensor) -> float:
    """Return the divergence of normal posteriors from the prior, over samples, in nats."""
    if not mean.shape[1]:
        return 0.0
    trace = covariance.diagonal(dim1=1, dim2=2).sum(1)
    log_determinant = 2 * safe_cholesky(covariance.clone()).diagonal(dim1=1, dim2=2).log().sum(1)
    divergence = trace + mean.square().sum(1) - mean.shape[1] - log_determinant
    return 0.5 * divergence.sum(dtype=torch.float64).item()

"""The linear fit: posteriors and loadings in turn, while the prior asks for more and more."""

import logging
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from mssvae.core.linear.observations import OBSERVATIONS
from mssvae.core.linear.state import LinearState, Parameters
from mssvae.fitting.linear.course import Course, extreme_values_are_told
from mssvae.fitting.linear.loadings import entry_price, update_intercepts
from mssvae.fitting.linear.objective import updated_noise
from mssvae.fitting.linear.posteriors import update_factor_covariances, update_posteriors
from mssvae.fitting.linear.start import start, start_without_factors
from mssvae.fitting.linear.tuning import SCHEDULE
from mssvae.fitting.progress import progress
from mssvae.moves import chosen
from mssvae.moves.linear import MOVES

log = logging.getLogger(__name__)


def fit_linear(
    likelihood: str,
    x: Tensor,
    study: Tensor,
    n_shared: int,
    n_specific: int,
    rates: Sequence[float],
    lambda1: float,
    moves: Sequence[str] | None,
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
    moves : sequence of str or None
        Those that may be tried; None for all of ``mssvae.moves.linear``.
    weight : float
        Of the prior: 1 is the objective as written (N over ``prior_scale``).

    Raises
    ------
    FitError
        If values are too extreme for single precision.
    InputError
        If a name is no move.

    Returns
    -------
    state : LinearState
    history : DataFrame
        A row per iteration, as that of ``mssvae.fitting.networks.loop.fit``, and ``moves``: what
        was tried before the iteration, whether it was kept, and what the objective gained, in nats.
    """
    return next(
        fit_path(likelihood, x, study, n_shared, n_specific, rates, lambda1, moves, [weight])
    )


@torch.no_grad()
def fit_path(
    likelihood: str,
    x: Tensor,
    study: Tensor,
    n_shared: int,
    n_specific: int,
    rates: Sequence[float],
    lambda1: float,
    moves: Sequence[str] | None,
    weights: Sequence[float],
) -> Iterator[tuple[LinearState, pd.DataFrame]]:
    """Yield what ``fit_linear`` gives with each weight of the prior.

    All go on from one fit with all loadings, before which the prior has no say.
    """
    may_be_tried = chosen(MOVES, moves)
    total = SCHEDULE.dense + len(weights) * (len(rates) * SCHEDULE.rung + SCHEDULE.held)
    with progress(range(total)) as bar, extreme_values_are_told():
        dense = Course(start(OBSERVATIONS[likelihood], x, study, n_shared, n_specific), [])
        dense.until_still(bar, SCHEDULE.dense, selects=False)
        for weight in weights:
            course = Course(dense.state.copy(), list(dense.history))
            _select(course, bar, rates, lambda1, weight, may_be_tried)
            yield course.state, pd.DataFrame(course.history)


def _select(
    course: Course,
    bar: tqdm,
    rates: Sequence[float],
    lambda1: float,
    weight: float,
    moves: Sequence[str],
) -> None:
    """Go through the rungs, and then on with the supports held."""
    for rung, rate in enumerate(rates):
        course.lambda0 = rate
        course.state.price = entry_price(course.state, rate, lambda1, weight)
        for name in moves:
            if rung in SCHEDULE.moves[name]:
                _try_move(course, name, bar)
        for _ in range(SCHEDULE.rung):
            course.state.price = entry_price(course.state, rate, lambda1, weight)
            course.iterate(bar, selects=True)
        log.info(
            "lambda0 %g: %d shared, %d specific factors, %d weights, elbo %.2f",
            rate,
            *(
                course.history[-1][key]
                for key in ("n_active_shared", "n_active_specific", "n_slab", "elbo")
            ),
        )
    course.until_still(bar, SCHEDULE.held, selects=False, grows=False)
    update_posteriors(course.state)


@torch.no_grad()
@extreme_values_are_told()
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
    course = Course(state, history.to_dict("records"), rate)
    state.price = entry_price(state, rate, lambda1, weight)
    with progress(range(SCHEDULE.held)) as bar:
        course.until_still(bar, SCHEDULE.held, selects=False, grows=False)
    update_posteriors(state)
    return pd.DataFrame(course.history)


@torch.no_grad()
@extreme_values_are_told()
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
        update_factor_covariances(state)
        update_intercepts(state)
        if iteration >= observation.noise_from:
            state.parameters.log_noise = updated_noise(state)
    return state.parameters


def _try_move(course: Course, name: str, bar: tqdm) -> None:
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

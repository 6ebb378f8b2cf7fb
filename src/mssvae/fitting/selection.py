"""How many factors, and how strong a prior: chosen by samples that fits have not seen."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

import anndata
import numpy as np

from mssvae.fitting.held_out import (
    HeldOut,
    Predicting,
    StudyMeans,
    gain,
    standard_error,
    warn_unless_better,
)
from mssvae.fitting.progress import progress
from mssvae.fitting.settings import FitSettings, ModelSettings

log = logging.getLogger(__name__)


class Numbers(TypedDict):
    """Numbers of factors, as arguments of ``MSSVAE``."""

    n_shared: int
    n_specific: int


@dataclass(frozen=True)
class Candidates:
    """What is tried where numbers of factors are ``"auto"``.

    Attributes
    ----------
    n_shared, n_specific : tuple of int
        From few to many; where both are to be chosen, the first go together, and so on.
    weights : tuple of float
        Of the prior, where ``prior_scale`` is ``"auto"``: 1 is the objective as written.
    share : float
        Of the samples that are held out.
    """

    n_shared: tuple[int, ...] = (5, 10, 20, 40)
    n_specific: tuple[int, ...] = (1, 2, 5, 10)
    weights: tuple[float, ...] = (4.0, 1.0, 0.25)
    share: float = 0.2

    def sizes(self, n_shared: int | str, n_specific: int | str) -> list[tuple[int, int]]:
        """Return the pairs of numbers to try, given what is asked for: a number or "auto"."""
        n = len(self.n_shared)
        shared = self.n_shared if isinstance(n_shared, str) else (n_shared,) * n
        specific = self.n_specific if isinstance(n_specific, str) else (n_specific,) * n
        return list(zip(shared, specific, strict=True))

    def most(self, settings: ModelSettings) -> Numbers:
        """Return the numbers of a model's settings; of what is "auto", the most."""
        n_shared, n_specific = self.sizes(settings["n_shared"], settings["n_specific"])[-1]
        return {"n_shared": n_shared, "n_specific": n_specific}


CANDIDATES = Candidates()


@dataclass
class Tried:
    """A fit that was tried: what with, its entries, and scores of the samples held out [n]."""

    n_shared: int
    n_specific: int
    weight: float
    entries: int
    scores: np.ndarray

    @property
    def numbers(self) -> Numbers:
        """The numbers of factors, as arguments of ``MSSVAE``."""
        return {"n_shared": self.n_shared, "n_specific": self.n_specific}


class LinearModel(Predicting, Protocol):
    """An ``MSSVAE``, as far as a choice among several goes by it."""

    def fit_path(self, weights: Sequence[float], **settings: Any) -> Sequence["LinearModel"]:
        """Return linear fits with several weights of the prior."""

    @property
    def support(self) -> Any:
        """Tables of the entries of the masks that are not zero."""


def choose_numbers(
    new_model: Callable[[anndata.AnnData, Numbers], LinearModel],
    held_out: HeldOut,
    settings: ModelSettings,
    fit_settings: FitSettings,
    n_samples: int,
) -> Tried:
    """Return the fit to choose where numbers of factors are ``"auto"``.

    Parameters
    ----------
    new_model : callable
        Takes data and numbers of factors.
    held_out : HeldOut
    settings : mapping
        Of the model: the numbers asked for, likelihood and column of the studies.
    fit_settings : FitSettings
        Its weight of the prior may be ``"auto"`` too.
    n_samples : int
        Of all data.
    """
    weights = CANDIDATES.weights
    if fit_settings.prior_scale != "auto":
        weights = (n_samples / fit_settings.scale(n_samples),)
    ladder = {"lambda0": fit_settings.lambda0, "lambda1": fit_settings.lambda1}

    def fits(n_shared: int, n_specific: int) -> list[tuple[int, Predicting]]:
        model = new_model(held_out.seen, {"n_shared": n_shared, "n_specific": n_specific})
        path = model.fit_path(weights, **ladder)
        return [(int(one.support.wide().to_numpy().sum()), one) for one in path]

    chosen = choose(
        fits,
        held_out,
        CANDIDATES.sizes(settings["n_shared"], settings["n_specific"]),
        weights,
        StudyMeans(held_out.seen, settings["study_key"], settings["likelihood"]),
    )
    log.info(
        "numbers of factors auto: %d shared, %d of each study, prior_scale %g",
        *(chosen.n_shared, chosen.n_specific, n_samples / chosen.weight),
    )
    return chosen


def choose(
    fits: Callable[[int, int], Sequence[tuple[int, Predicting]]],
    held_out: HeldOut,
    sizes: Sequence[tuple[int, int]],
    weights: Sequence[float],
    means: Predicting,
) -> Tried:
    """Return the fit with the fewest entries of those that are as good as the best.

    As good: its mean score on samples held out is within one standard error of the best one's, the
    error of the difference over the samples. Numbers of factors grow until the best fit of the next
    ones is as good as the best of those before, and no better.

    Parameters
    ----------
    fits : callable
        Takes numbers of factors; returns a fit with each of the weights, and its entries.
    sizes : sequence of (int, int)
        Numbers of shared factors and of each study's own, from few to many.
    weights : sequence of float
        Of the prior.
    means : object that predicts
        What a model has to be better than; else there is a warning.
    """
    tried: list[Tried] = []
    for n_shared, n_specific in progress(sizes, "numbers of factors", "pair"):
        before = _best(tried) if tried else None
        now = [
            Tried(n_shared, n_specific, weight, entries, held_out.scores(model))
            for weight, (entries, model) in zip(weights, fits(n_shared, n_specific), strict=True)
        ]
        for one in now:
            log.info(
                "%d shared factors, %d of each study, prior times %g: %.4f on samples held out, "
                "%d entries",
                *(n_shared, n_specific, one.weight, one.scores.mean(), one.entries),
            )
        tried += now
        if before is not None and _as_good(before.scores, _best(tried).scores):
            break
    best = _best(tried)
    chosen = min(
        (one for one in tried if _as_good(one.scores, best.scores)), key=lambda one: one.entries
    )
    if chosen.entries:  # Without a factor the fit says so itself.
        warn_unless_better(chosen.scores, held_out.scores(means))
    return chosen


def _best(tried: Sequence[Tried]) -> Tried:
    """Return the fit with the best mean score."""
    return max(tried, key=lambda one: float(one.scores.mean()))


def _as_good(scores: np.ndarray, best: np.ndarray) -> bool:
    """Return whether scores of samples are within one standard error of others, or above."""
    return gain(best, scores) <= standard_error(best, scores)

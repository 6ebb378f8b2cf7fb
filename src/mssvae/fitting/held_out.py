"""Samples held out of a fit, and how well half of their features predict the other half."""

import logging
from dataclasses import dataclass
from typing import Protocol

import anndata
import numpy as np
import pandas as pd

from mssvae.data.matrices import dense
from mssvae.data.validation import number, whole
from mssvae.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scoring:
    """What predictions are scored with.

    Attributes
    ----------
    least_theta, largest_theta, thetas : float, float, int
        Range of the inverse dispersions, and how many there are, evenly spaced by logarithm: each
        feature takes the best of them.
    least_variance : float
        Added to the noise variances of Gaussian features, in squared units of the data.
    least_mean : float
        Of expected counts.
    """

    least_theta: float = 0.05
    largest_theta: float = 1000
    thetas: int = 40
    least_variance: float = 1e-3
    least_mean: float = 1e-9


SCORING = Scoring()


class Predicting(Protocol):
    """What is scored: an ``MSSVAE``, or anything else that predicts."""

    def predict(self, adata: anndata.AnnData, observed: list[str]) -> pd.DataFrame:
        """Return expected values [n x G], from some features of new samples."""


def held_out_samples(study: pd.Series, share: float = 0.2, seed: int = 0) -> np.ndarray:
    """Return which samples to hold out, bool [N]: the same share of every study, at least one.

    Raises InputError if the share is out of range, or leaves a study fewer than two samples.
    """
    share = number("share", share, at_least=0, at_most=1)
    rng = np.random.default_rng(whole("seed", seed, at_least=0))
    held = np.zeros(len(study), dtype=bool)
    for name, rows in study.groupby(study.to_numpy(), observed=True).indices.items():
        n = max(1, int(share * len(rows)))
        if len(rows) - n < 2:
            raise InputError(f"study {name!r} has too few samples to hold {n} of {len(rows)} out")
        held[rng.permutation(rows)[:n]] = True
    return held


class HeldOut:
    """Samples to fit, and samples whose values are scored, the same for all models.

    Parameters
    ----------
    adata : AnnData [N x G]
        Values in ``X``.
    study_key : str
        Column of ``adata.obs``.
    likelihood : {"negative_binomial", "gaussian"}
        To score with.
    share : float
        Of each study's samples that are held out.
    seed : int
        Of the samples that are held out, and of the halves.

    Attributes
    ----------
    seen : AnnData
        To fit. Without features that have no counts in these samples, or do not vary in them.
    new : AnnData
        To score.

    Raises
    ------
    InputError
        If the study column is missing, or as ``held_out_samples``.
    """

    def __init__(
        self, adata: anndata.AnnData, study_key: str, likelihood: str, share: float, seed: int
    ) -> None:
        if study_key not in adata.obs:
            raise InputError(f"adata.obs has no column {study_key!r}")
        held = held_out_samples(adata.obs[study_key], share, seed)
        x = dense(adata.X)
        self.gaussian, self.seed = likelihood == "gaussian", seed
        kept = (x[~held].std(0) if self.gaussian else x[~held].sum(0)) > 0
        self.seen, self.new = adata[~held, kept].copy(), adata[held, kept].copy()

    def scores(self, model: Predicting) -> np.ndarray:
        """Return what each sample that is held out contributes to the score, [n].

        Their mean is the mean log-likelihood of a value, in nats.
        """
        values, n_features = dense(self.new.X).astype(float), self.new.n_vars
        rng = np.random.default_rng([self.seed, 1])
        half = rng.permutation(n_features) % 2 == 0
        total, n = np.zeros(len(values)), 0
        for observed in (half, ~half):
            rows = np.ones(len(values), bool)
            if not self.gaussian:
                rows = values[:, observed].sum(1) > 0
            names = self.new.var_names[observed].tolist()
            expected = np.asarray(model.predict(self.new[rows], observed=names), dtype=float)
            expected, hidden = expected[:, ~observed], values[rows][:, ~observed]
            fold = rng.permutation(len(hidden)) % 2 == 0
            for one, other in ((fold, ~fold), (~fold, fold)):
                score = _gaussian if self.gaussian else _counts
                found = score(hidden[one], expected[one], hidden[other], expected[other])
                total[np.flatnonzero(rows)[other]] += found.sum(1)
                n += found.size
        return total * (len(values) / n)


class StudyMeans:
    """Predicts the mean of each study; for counts, its profile times the library size."""

    def __init__(self, adata: anndata.AnnData, study_key: str, likelihood: str) -> None:
        self.study_key, self.counts = study_key, likelihood != "gaussian"
        values = pd.DataFrame(dense(adata.X).astype(float), columns=adata.var_names)
        self.profiles = values.groupby(adata.obs[study_key].to_numpy(), observed=True).mean()

    def predict(self, adata: anndata.AnnData, observed: list[str]) -> pd.DataFrame:
        """Return expected values [n x G]."""
        expected = self.profiles.loc[adata.obs[self.study_key]].set_axis(adata.obs_names)
        if self.counts:
            x = dense(adata[:, observed].X).sum(1)
            expected = expected.mul(x / expected[observed].sum(axis=1), axis=0)
        return expected


def gain(scores: np.ndarray, others: np.ndarray) -> float:
    """Return what the mean of scores is above that of others, of the same samples."""
    return float(np.mean(scores - others))


def standard_error(scores: np.ndarray, others: np.ndarray) -> float:
    """Return the standard error of ``gain``, over the samples."""
    return float(np.std(scores - others) / np.sqrt(len(scores)))


def warn_unless_better(scores: np.ndarray, means: np.ndarray) -> None:
    """Tell if scores of a model are not above those of study means, by one standard error."""
    if gain(scores, means) <= standard_error(scores, means):
        log.warning(
            "on samples held out, factors are not better than the means of studies: %.4f against "
            "%.4f nats per value. There may be none in these data, or none that half of the "
            "features tell, as in panels of marker genes; or make the prior weaker (a larger "
            "prior_scale), or have more samples",
            *(scores.mean(), means.mean()),
        )


def _gaussian(x: np.ndarray, mean: np.ndarray, y: np.ndarray, mean_y: np.ndarray) -> np.ndarray:
    """Return log densities of y by the noise of x."""
    from scipy.stats import norm  # Here, as to load it takes a second.

    variance = ((x - mean) ** 2).mean(0) + SCORING.least_variance
    return norm(mean_y, np.sqrt(variance)).logpdf(y)


def _counts(x: np.ndarray, mean: np.ndarray, y: np.ndarray, mean_y: np.ndarray) -> np.ndarray:
    """Return log probabilities of y by the inverse dispersions of x."""
    thetas = np.geomspace(SCORING.least_theta, SCORING.largest_theta, SCORING.thetas)
    by_theta = [_log_nb(x, mean, theta).sum(0) for theta in thetas]
    return _log_nb(y, mean_y, thetas[np.argmax(by_theta, 0)])


def _log_nb(x: np.ndarray, mean: np.ndarray, theta: np.ndarray | float) -> np.ndarray:
    from scipy.stats import nbinom  # Here, as to load it takes a second.

    mean = np.maximum(mean, SCORING.least_mean)
    return nbinom(theta, theta / (theta + mean)).logpmf(x)

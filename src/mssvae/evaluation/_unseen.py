"""Scores of samples that a model was not fitted to, by half of their features."""

from collections.abc import Callable
from typing import Protocol

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import nbinom, norm

from mssvae.errors import InputError
from mssvae.inputs import require_anndata
from mssvae.validation import number, whole

# Inverse dispersions that predictions are scored with: each feature takes the best of them.
_THETAS = np.geomspace(0.05, 1000, 40)
_LEAST_VARIANCE = 1e-3
_LEAST_MEAN = 1e-9


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


def unseen(
    fit: Callable[[anndata.AnnData], Predicting],
    adata: anndata.AnnData,
    study_key: str = "group",
    likelihood: str = "negative_binomial",
    share: float = 0.2,
    seed: int = 0,
) -> float:
    """Return the mean log-likelihood of values of unseen samples (bi-cross-validation).

    A share of each study's samples is held out. Their factors are inferred from a random half of
    the features, and the other half is scored; then the reverse. So that how unsure a prediction is
    counts alike for all methods, the noise of each feature is fitted to the predictions for one
    half of the held-out samples and scores the other. Features without counts in the samples that
    are fitted, or that do not vary there, are left out.

    Trust it for bulk data and wide matrices. With a panel of a few hundred marker genes, a factor
    of five genes cannot be inferred from the other half.

    Parameters
    ----------
    fit : callable
        Takes an AnnData of the samples to fit, returns a fitted model. For instance
        ``lambda a: MSSVAE(a, n_shared=20).fit()``.
    adata : AnnData [N x G]
        Values in ``X``.
    likelihood : {"negative_binomial", "gaussian"}
        To score with; for Gaussian data, values should be standardised.
    share : float
        Of the samples that are held out.

    Returns
    -------
    float
        Nats per value; higher is better.

    Raises
    ------
    InputError
        If an argument is out of range, or the study column is missing.
    """
    require_anndata(adata)
    if study_key not in adata.obs:
        raise InputError(f"adata.obs has no column {study_key!r}")
    held = held_out_samples(adata.obs[study_key], share, seed)
    x = adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)
    gaussian = likelihood == "gaussian"
    kept = (x[~held].std(0) if gaussian else x[~held].sum(0)) > 0
    seen, new = adata[~held, kept].copy(), adata[held, kept].copy()
    model, values = fit(seen), x[held][:, kept].astype(float)
    rng = np.random.default_rng([seed, 1])
    half = rng.permutation(kept.sum()) % 2 == 0
    scores = []
    for observed in (half, ~half):
        rows = np.ones(len(values), bool) if gaussian else values[:, observed].sum(1) > 0
        names = new.var_names[observed].tolist()
        expected = np.asarray(model.predict(new[rows], observed=names), dtype=float)
        expected, hidden = expected[:, ~observed], values[rows][:, ~observed]
        fold = rng.permutation(len(hidden)) % 2 == 0
        for one, other in ((fold, ~fold), (~fold, fold)):
            score = _gaussian if gaussian else _counts
            scores.append(score(hidden[one], expected[one], hidden[other], expected[other]))
    return float(np.concatenate([one.ravel() for one in scores]).mean())


def _gaussian(x: np.ndarray, mean: np.ndarray, y: np.ndarray, mean_y: np.ndarray) -> np.ndarray:
    """Return log densities of y by the noise of x."""
    variance = ((x - mean) ** 2).mean(0) + _LEAST_VARIANCE
    return norm(mean_y, np.sqrt(variance)).logpdf(y)


def _counts(x: np.ndarray, mean: np.ndarray, y: np.ndarray, mean_y: np.ndarray) -> np.ndarray:
    """Return log probabilities of y by the inverse dispersions of x."""
    by_theta = [_log_nb(x, mean, theta).sum(0) for theta in _THETAS]
    return _log_nb(y, mean_y, _THETAS[np.argmax(by_theta, 0)])


def _log_nb(x: np.ndarray, mean: np.ndarray, theta: np.ndarray | float) -> np.ndarray:
    mean = np.maximum(mean, _LEAST_MEAN)
    return nbinom(theta, theta / (theta + mean)).logpmf(x)

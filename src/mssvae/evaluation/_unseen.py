"""Scores of samples that a model was not fitted to, by half of their features."""

from collections.abc import Callable

import anndata

from mssvae.data.inputs import require_anndata
from mssvae.fitting.held_out import HeldOut, Predicting


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
    held_out = HeldOut(adata, study_key, likelihood, share, seed)
    return float(held_out.scores(fit(held_out.seen)).mean())

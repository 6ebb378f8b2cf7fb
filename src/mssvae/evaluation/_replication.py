"""Whether the shared factors of one fit come back in studies that it does not know."""

import anndata
import numpy as np
import pandas as pd

from mssvae.data.inputs import read_new
from mssvae.data.validation import whole
from mssvae.evaluation._projection import projected
from mssvae.evaluation._unseen import unseen
from mssvae.fitting.held_out import StudyMeans
from mssvae.model import MSSVAE


def replication(
    model: MSSVAE, adata: anndata.AnnData, splits: int = 3, seed: int = 0
) -> pd.DataFrame:
    """Return scores of shared factors on unseen samples of other studies, beside fits made there.

    Shared factors come back where ``projected`` is near ``fitted there``, and ``permuted``, the
    same loadings given to other genes, is far from it. All are scored by ``unseen``, on the same
    samples and halves of the features, of those features alone that ``adata`` shares with the
    model.

    Parameters
    ----------
    model : MSSVAE
        A linear fit to counts. Its study column and its numbers of factors are taken.
    adata : AnnData [N x G]
        Counts in ``X`` of samples that the model was not fitted to.
    splits : int
        How often a fifth of each study's samples is held out.
    seed : int
        Of the first split; the others follow it one by one.

    Returns
    -------
    DataFrame [4 splits rows]
        ``split``, its seed; ``method``: ``study means``, ``permuted``, ``projected`` or
        ``fitted there``, a linear fit with the default settings; ``score``, nats per value, higher
        is better.

    Raises
    ------
    InputError
        If the model is no linear fit to counts, adata has none of its features, no counts or no
        study column, a study has too few samples, or an argument is out of range.
    """
    project, about = projected(model), model.settings | {"layer": None}
    splits, seed = whole("splits", splits), whole("seed", seed, at_least=0)
    features = read_new(adata, about, model.var_names).features
    there = adata[:, features].copy()
    study_key, likelihood = about["study_key"], about["likelihood"]

    def means(seen: anndata.AnnData) -> StudyMeans:
        return StudyMeans(seen, study_key, likelihood)

    def fitted(seen: anndata.AnnData) -> MSSVAE:
        return MSSVAE(seen, **about, device=model.device).fit(decoder="linear")

    rows = []
    for split in range(seed, seed + splits):
        permuted = there.copy()
        # Other names move the loadings; samples and halves, which go by position, stay.
        permuted.var_names = np.random.default_rng([split, 2]).permutation(features)
        for method, fit, counts in (
            ("study means", means, there),
            ("permuted", project, permuted),
            ("projected", project, there),
            ("fitted there", fitted, there),
        ):
            rows.append((split, method, unseen(fit, counts, study_key, seed=split)))
    return pd.DataFrame(rows, columns=["split", "method", "score"])

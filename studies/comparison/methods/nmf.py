"""Non-negative matrix factorisation of counts by the Kullback-Leibler divergence (scikit-learn).

Loadings are shares of a feature's mean, so that features of many counts do not stand for all.
"""

import anndata
import numpy as np

from mssvae.evaluation._peers import Nmf
from studies.comparison.interface import Fitted, Problem, Unsuitable, columns

PACKAGE = "scikit-learn"


def fit(adata: anndata.AnnData, problem: Problem) -> Fitted:
    """Factorise all studies together."""
    if not problem.counts:
        raise Unsuitable("needs values that are not negative")
    model = Nmf(adata, problem.n_factors, problem.seed)
    parts = model.factors.mean(0)[:, None] * model.loadings
    shares = parts / np.maximum(parts.sum(0), np.finfo(float).tiny)
    return Fitted(
        columns(shares.T, adata.var_names),
        columns(model.factors, adata.obs_names),
        predict=model.predict,
    )

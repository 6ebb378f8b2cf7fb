"""The means of studies: no factors, what any factor model has to predict better than."""

import anndata
import numpy as np

from mssvae.fitting.held_out import StudyMeans
from studies.comparison.interface import Fitted, Problem, columns

PACKAGE = "mssvae"


def fit(adata: anndata.AnnData, problem: Problem) -> Fitted:
    """Return no factor, and what study means predict."""
    means = StudyMeans(adata, "group", problem.likelihood)
    loadings = columns(np.zeros((adata.n_vars, 0)), adata.var_names)
    factors = columns(np.zeros((adata.n_obs, 0)), adata.obs_names)
    return Fitted(loadings, factors, predict=means.predict)

"""GLM-PCA (glmpca) of counts, negative binomial, its default settings, studies as covariates.

It has no rule for entries: all count. The package does not project new samples.
"""

import warnings

import anndata
import numpy as np
import pandas as pd

from mssvae.data.matrices import dense
from studies.comparison.interface import Fitted, Problem, Unsuitable, columns

PACKAGE = "glmpca"


def fit(adata: anndata.AnnData, problem: Problem) -> Fitted:
    """Fit all studies together."""
    if not problem.counts:
        raise Unsuitable("needs counts")
    from glmpca.glmpca import glmpca

    counts = dense(adata.X).astype(float)
    studies = pd.get_dummies(adata.obs["group"].astype(str), drop_first=True, dtype=float)
    np.random.seed(problem.seed)  # noqa: NPY002 - the package draws from the global state.
    with warnings.catch_warnings(action="ignore"):
        found = glmpca(counts.T, problem.n_factors, fam="nb", X=studies.to_numpy())
    return Fitted(
        columns(found["loadings"], adata.var_names), columns(found["factors"], adata.obs_names)
    )

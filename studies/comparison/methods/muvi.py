"""MuVI, the successor of spex-LVM, without gene sets: a regularised horseshoe on the weights.

Of logarithms of relative expression for counts; its default settings on the CPU. It has no rule for
entries: all count.
"""

import warnings

import anndata
import numpy as np
import pandas as pd

from mssvae.evaluation._peers import LinearFactors
from studies.comparison.interface import Fitted, Problem
from studies.comparison.linear import fitted, scaled

PACKAGE = "muvi"


def fit(adata: anndata.AnnData, problem: Problem, n_epochs: int = 0) -> Fitted:
    """Fit all studies together, for ``n_epochs``; 0 takes its default, 10,000 steps."""
    from muvi import MuVI

    def analyse(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = pd.DataFrame(y, adata.obs_names, adata.var_names)
        model = MuVI({"features": values}, n_factors=problem.n_factors, device="cpu")
        model.fit(n_epochs=n_epochs, seed=problem.seed, verbose=False)
        loadings = model.get_factor_loadings()["features"]
        return scaled(y, np.asarray(loadings), np.asarray(model.get_factor_scores()))

    with warnings.catch_warnings(action="ignore"):
        return fitted(LinearFactors(adata, problem.likelihood, analyse), adata)

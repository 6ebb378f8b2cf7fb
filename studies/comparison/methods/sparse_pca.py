"""Sparse principal components (scikit-learn), of logarithms of relative expression for counts."""

import warnings

import anndata
import numpy as np
from sklearn.decomposition import SparsePCA
from sklearn.exceptions import ConvergenceWarning

from mssvae.evaluation._peers import LinearFactors
from studies.comparison.interface import Fitted, Problem
from studies.comparison.linear import fitted, scaled

PACKAGE = "scikit-learn"


def fit(
    adata: anndata.AnnData, problem: Problem, alpha: float = 1.0, max_iter: int = 100
) -> Fitted:
    """Analyse all studies together; ``alpha`` is the weight of the penalty, scikit-learn's 1."""

    def analyse(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        k = min(problem.n_factors, *y.shape)
        model = SparsePCA(k, alpha=alpha, max_iter=max_iter, random_state=problem.seed)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            z = model.fit_transform(y)
        return scaled(y, model.components_, z)

    return fitted(LinearFactors(adata, problem.likelihood, analyse), adata)

"""Spectral co-clustering (scikit-learn): each feature and each sample is in one cluster.

The biclustering of Dhillon (2001). A cluster's factor is the mean of its features, and its loadings
are their regressions on it. It takes values that are not negative: logarithms of relative
expression of counts; real values less the smallest one of their feature.
"""

import anndata
import numpy as np
from sklearn.cluster import SpectralCoclustering

from mssvae.evaluation._peers import LinearFactors
from studies.comparison.interface import Fitted, Problem
from studies.comparison.linear import fitted, scaled

PACKAGE = "scikit-learn"


def fit(adata: anndata.AnnData, problem: Problem) -> Fitted:
    """Cluster all studies together."""

    def analyse(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        model = SpectralCoclustering(problem.n_factors, random_state=problem.seed)
        label = model.fit(y - y.min(0) + 1e-6).column_labels_
        member = label == np.unique(label)[:, None]
        z = y @ member.T / member.sum(1)
        z /= z.std(0) + 1e-12
        return scaled(y, np.where(member, z.T @ y / len(y), 0), z)

    return fitted(LinearFactors(adata, problem.likelihood, analyse), adata)

"""Features of samples for a classifier, learned from training samples alone.

A method is a function of training samples, with their groups, and gives a function from counts to
features. That function never sees a group, so those of samples to be judged cannot count.
"""

from collections.abc import Callable

import anndata as ad
import numpy as np
from sklearn.decomposition import NMF, PCA, FactorAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mssvae import MSSVAE
from mssvae.evaluation._peers import log_relative

Features = Callable[[np.ndarray], np.ndarray]

# The study that samples are taken to be of, none that a model can know.
_UNKNOWN = "(unknown)"
_NMF_ITERATIONS = 300


def genes(train: ad.AnnData, n_factors: int, n_specific: int, seed: int) -> Features:
    """Return log relative expression as it is."""
    return log_expression


def pca(train: ad.AnnData, n_factors: int, n_specific: int, seed: int) -> Features:
    """Return principal components of standardised log relative expression."""
    model = make_pipeline(StandardScaler(), PCA(n_factors, random_state=seed))
    return _after_logarithms(model, train)


def factor_analysis(train: ad.AnnData, n_factors: int, n_specific: int, seed: int) -> Features:
    """Return posterior means of factor analysis of standardised log relative expression."""
    model = make_pipeline(StandardScaler(), FactorAnalysis(n_factors, random_state=seed))
    return _after_logarithms(model, train)


def nmf(train: ad.AnnData, n_factors: int, n_specific: int, seed: int) -> Features:
    """Return the weights of NMF (Kullback-Leibler) of counts, scaled to equal totals."""
    size = train.X.sum(1).mean()
    model = NMF(
        n_factors,
        init="nndsvdar",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=_NMF_ITERATIONS,
        tol=0,  # No early stop, by which all samples together would count for each.
        random_state=seed,
    )

    def relative(counts: np.ndarray) -> np.ndarray:
        return counts / counts.sum(1, keepdims=True) * size

    model.fit(relative(train.X))
    return lambda counts: model.transform(relative(counts))


def factors_of_groups(train: ad.AnnData, n_factors: int, n_specific: int, seed: int) -> Features:
    """Return our shared factors, by a linear fit in which the training samples' groups are studies.

    All samples, those of training too, are taken as of a study that the model does not know: their
    own intercepts and specific factors would tell their group.
    """
    return _shared_factors(fitted(train, n_factors, n_specific, seed))


def factors_of_one_study(train: ad.AnnData, n_factors: int, n_specific: int, seed: int) -> Features:
    """Return our factors, by a linear fit to all training samples as one study, without groups."""
    together = train.copy()
    together.obs["group"] = "all"
    return _shared_factors(fitted(together, n_factors, 0, seed))


METHODS = {
    "genes": genes,
    "PCA": pca,
    "factor analysis": factor_analysis,
    "NMF": nmf,
    "MSSVAE, one study": factors_of_one_study,
    "MSSVAE, groups as studies": factors_of_groups,
}


def log_expression(counts: np.ndarray) -> np.ndarray:
    """Return log relative expression [n x G]; the size of a sample is its total."""
    counts = counts.astype(float)
    return log_relative(counts, counts.sum(1))


def fitted(train: ad.AnnData, n_shared: int, n_specific: int, seed: int) -> MSSVAE:
    """Return a linear fit to counts, with the groups as studies."""
    model = MSSVAE(train, n_shared=n_shared, n_specific=n_specific, seed=seed, device="cpu")
    return model.fit(decoder="linear")


def _after_logarithms(model: object, train: ad.AnnData) -> Features:
    model.fit(log_expression(train.X))
    return lambda counts: model.transform(log_expression(counts))


def _shared_factors(model: MSSVAE) -> Features:
    used = (model.masks.shared != 0).any().to_numpy()
    if not used.any():
        used[0] = True  # Zeros, which tell no group from another: a classifier wants a column.

    def factors(counts: np.ndarray) -> np.ndarray:
        new = ad.AnnData(counts)
        new.var_names = model.var_names
        new.obs["group"] = _UNKNOWN
        return model.transform(new).shared.to_numpy()[:, used]

    return factors

"""Dense factor models of all samples together, to compare with: they predict as ``MSSVAE`` does."""

import warnings
from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
from sklearn import decomposition
from sklearn.exceptions import ConvergenceWarning

from mssvae.data.matrices import dense

Analysis = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

# Counts per so many are what logarithms are taken of.
_PER = 1e4
_LEAST = 1e-3
_TINY = 1e-12
# New samples stop early as fitted ones do: that predicts better than to go on until nothing moves.
_DIVERGENCE = {"beta_loss": "kullback-leibler", "solver": "mu", "max_iter": 300}


def log_relative(x: np.ndarray, library: np.ndarray) -> np.ndarray:
    """Return logarithms of one and relative expression, of counts [n x G] and library sizes [n]."""
    return np.log1p(_PER * x / library[:, None])


class LinearFactors:
    """A linear factor model of standardised values; counts are taken as log relative expression.

    Expected counts are scaled by feature to the totals of the samples that were fitted.

    Parameters
    ----------
    adata : AnnData [N x G]
        Values in ``X``.
    likelihood : str
        All but ``"gaussian"`` are counts.
    analyse : callable
        Takes the standardised values [N x G]; returns loadings [k x G], noise variances [G] and
        factors [N x k] of about mean 0 and variance 1.
    study_key : str, optional
        Column of ``adata.obs``: values are taken from the means of their study.
    """

    def __init__(
        self,
        adata: anndata.AnnData,
        likelihood: str,
        analyse: Analysis,
        study_key: str | None = None,
    ) -> None:
        x = dense(adata.X).astype(float)
        self.counts = likelihood != "gaussian"
        self.names, self.ratio, self.study_key = adata.var_names, 1.0, study_key
        self.share = x.mean(0) / x.mean(0).sum()
        library = x.sum(1)
        y = self._logged(x, library)
        self.centres = pd.DataFrame(y).groupby(self._studies(adata)).mean()
        y = y - self._centre(adata)
        self.scale = y.std(0) + _TINY
        self.loadings, self.noise, self.factors = analyse(y / self.scale)
        if self.counts:
            fitted = self._expected(self.factors, library, self._centre(adata))
            self.ratio = x.sum(0) / fitted.sum(0)

    def predict(self, adata: anndata.AnnData, observed: list[str]) -> pd.DataFrame:
        """Return expected values [n x G], with factors from observed features alone."""
        seen = self.names.get_indexer(observed)
        x = dense(adata[:, observed].X).astype(float)
        library = x.sum(1) / self.share[seen].sum()
        centre = self._centre(adata)
        y = (self._logged(x, library) - centre[:, seen]) / self.scale[seen]
        weighted = self.loadings[:, seen] / self.noise[seen]
        precision = np.eye(len(weighted)) + weighted @ self.loadings[:, seen].T
        z = np.linalg.solve(precision, weighted @ y.T).T
        return pd.DataFrame(self._expected(z, library, centre), adata.obs_names, self.names)

    def _studies(self, adata: anndata.AnnData) -> np.ndarray:
        if self.study_key is None:
            return np.full(adata.n_obs, "all")
        return adata.obs[self.study_key].astype(str).to_numpy()

    def _centre(self, adata: anndata.AnnData) -> np.ndarray:
        return self.centres.loc[self._studies(adata)].to_numpy()

    def _logged(self, x: np.ndarray, library: np.ndarray) -> np.ndarray:
        return log_relative(x, library) if self.counts else x

    def _expected(self, z: np.ndarray, library: np.ndarray, centre: np.ndarray) -> np.ndarray:
        y = z @ self.loadings * self.scale + centre
        if not self.counts:
            return y
        return np.maximum(np.expm1(y), _LEAST) / _PER * library[:, None] * self.ratio


class FactorAnalysis(LinearFactors):
    """Factor analysis of standardised values; for counts, of logarithms of relative expression."""

    name = "factor analysis"

    def __init__(
        self,
        adata: anndata.AnnData,
        k: int,
        likelihood: str,
        rotation: str | None = None,
        seed: int = 0,
    ) -> None:
        def analyse(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            model = decomposition.FactorAnalysis(
                min(k, *y.shape), svd_method="randomized", rotation=rotation, random_state=seed
            ).fit(y)
            return model.components_, model.noise_variance_, model.transform(y)

        super().__init__(adata, likelihood, analyse)


class Nmf:
    """Non-negative matrix factorisation of counts, by the Kullback-Leibler divergence."""

    name = "NMF"

    def __init__(self, adata: anndata.AnnData, k: int, seed: int = 0) -> None:
        x = dense(adata.X).astype(float)
        self.names = adata.var_names
        k = min(k, *x.shape)
        model = decomposition.NMF(k, init="nndsvdar", random_state=seed, **_DIVERGENCE)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            self.factors = model.fit_transform(x)
        self.loadings = model.components_

    def predict(self, adata: anndata.AnnData, observed: list[str]) -> pd.DataFrame:
        """Return expected counts [n x G], with factors from observed features alone."""
        return predicted_counts(self.loadings, self.names, adata, observed)


def predicted_counts(
    loadings: np.ndarray, names: pd.Index, adata: anndata.AnnData, observed: list[str]
) -> pd.DataFrame:
    """Return expected counts [n x G] by loadings [k x G] without negative values.

    Factors are those of the smallest Kullback-Leibler divergence from the observed features.
    """
    x = dense(adata[:, observed].X).astype(float)
    seen = np.ascontiguousarray(loadings[:, names.get_indexer(observed)])
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        z, _, _ = decomposition.non_negative_factorization(
            x, H=seen, update_H=False, n_components=len(seen), **_DIVERGENCE
        )
    return pd.DataFrame(z @ loadings, adata.obs_names, names)

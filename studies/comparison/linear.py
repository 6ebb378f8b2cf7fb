"""What methods with linear loadings of all samples together have in common."""

import anndata
import numpy as np

from mssvae.evaluation._peers import LinearFactors
from studies.comparison.interface import Fitted, columns

_TINY = 1e-12
# Of a standardised feature, left to noise where loadings explain all of it.
_LEAST_NOISE = 1e-3


def scaled(
    y: np.ndarray, loadings: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return loadings [k x G], noise variances [G] and factors [N x k], factors with variance 1.

    Parameters
    ----------
    y : array [N x G]
        Standardised values that ``z @ loadings`` stand for.
    """
    size = z.std(0)
    z = (z - z.mean(0)) / np.maximum(size, _TINY)
    loadings = loadings * size[:, None]
    noise = np.maximum(((y - z @ loadings) ** 2).mean(0), _LEAST_NOISE)
    return loadings, noise, z


def fitted(model: LinearFactors, adata: anndata.AnnData) -> Fitted:
    """Return the loadings and factors of a linear model, in spreads of the features."""
    return Fitted(
        columns(model.loadings.T, adata.var_names),
        columns(model.factors, adata.obs_names),
        predict=model.predict,
    )

"""Gene sets of other factor models, to compare their processes with."""

import warnings

import anndata
import numpy as np
import pandas as pd
from sklearn.decomposition import NMF, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from mssvae.data.inputs import require_anndata
from mssvae.data.matrices import dense
from mssvae.data.validation import require_columns
from mssvae.errors import InputError
from mssvae.evaluation._peers import log_relative

_ITERATIONS = 200
_TINY = 1e-12


def peer_gene_sets(
    adata: anndata.AnnData,
    gene_sets: dict[str, list[str]],
    factors: pd.DataFrame,
    study_key: str = "group",
) -> dict[str, dict[str, list[str]]]:
    """Return gene sets of factor analysis with varimax and of NMF, of the sizes of given ones.

    Shared factors are those of all samples, specific ones of the study's samples alone; as many as
    there are of each. The factor with the largest loadings (their sum of squares) has as many genes
    as the largest of the given sets, and its name; and so on. Its genes are those with the largest
    absolute loadings.

    Factor analysis is of standardised logarithms of relative expression, without the means of
    studies; NMF is of the counts, by the Kullback-Leibler divergence, and its loadings are shares
    of a gene's mean.

    Parameters
    ----------
    adata : AnnData [N x G]
        Counts in ``X``.
    gene_sets : dict
        Genes by factor; empty for some, maybe.
    factors : DataFrame
        ``factor``, ``kind`` (``"shared"`` or ``"specific"``) and ``study`` of all factors.

    Raises
    ------
    InputError
        If a column is missing.
    """
    require_anndata(adata)
    require_columns(factors, ["factor", "kind", "study"], "factors")
    if study_key not in adata.obs:
        raise InputError(f"adata.obs has no column {study_key!r}")
    x, study = dense(adata.X).astype(float), adata.obs[study_key].astype(str).to_numpy()
    sets: dict[str, dict[str, list[str]]] = {"factor analysis": {}, "NMF": {}}
    shared = factors["kind"] == "shared"
    parts = [(np.ones(len(x), bool), factors.loc[shared, "factor"])]
    parts += [
        (study == str(name), rows["factor"])
        for name, rows in factors[~shared].groupby("study", sort=False)
    ]
    for rows, names in parts:
        if len(names) == 0:
            continue
        by_size = sorted(names, key=lambda name: -len(gene_sets[name]))
        for method, analyse in (("factor analysis", _factor_analysis), ("NMF", _nmf)):
            loadings = analyse(x[rows], study[rows], len(names))
            strongest = np.argsort(-np.square(loadings).sum(1), kind="stable")
            of_peer: dict[str, list[str]] = {name: [] for name in by_size}
            for name, k in zip(by_size, strongest, strict=False):
                order = np.argsort(-np.abs(loadings[k]), kind="stable")
                of_peer[name] = adata.var_names[order[: len(gene_sets[name])]].tolist()
            sets[method] |= of_peer
    return sets


def _factor_analysis(x: np.ndarray, study: np.ndarray, k: int) -> np.ndarray:
    """Return loadings [k x G] of counts [n x G]."""
    y = pd.DataFrame(log_relative(x, x.sum(1)))
    y = (y - y.groupby(study).transform("mean")).to_numpy()
    y /= y.std(0) + _TINY
    analysis = FactorAnalysis(
        min(k, *y.shape),
        rotation="varimax",
        svd_method="randomized",
        random_state=0,
        max_iter=_ITERATIONS,
    )
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return analysis.fit(y).components_


def _nmf(x: np.ndarray, study: np.ndarray, k: int) -> np.ndarray:
    """Return loadings [k x G], the shares of a gene's mean, of counts [n x G]."""
    model = NMF(
        min(k, *x.shape),
        beta_loss="kullback-leibler",
        solver="mu",
        init="nndsvda",
        random_state=0,
        max_iter=_ITERATIONS,
    )
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        weights = model.fit_transform(x)
    parts = weights.mean(0)[:, None] * model.components_
    return parts / (parts.sum(0) + _TINY)

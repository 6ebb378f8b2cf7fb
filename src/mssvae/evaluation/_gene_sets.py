"""Gene sets of other factor models, to compare their processes with."""

import warnings

import anndata
import numpy as np
import pandas as pd
from sklearn.decomposition import NMF, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from mssvae.data.inputs import require_anndata
from mssvae.data.matrices import dense
from mssvae.data.validation import require_columns, whole
from mssvae.errors import InputError
from mssvae.evaluation._peers import log_relative
from mssvae.metrics import jaccard

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
    x, study = _counts_and_studies(adata, study_key)
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
            loadings, _ = analyse(x[rows], study[rows], len(names))
            strongest = np.argsort(-np.square(loadings).sum(1), kind="stable")
            of_peer: dict[str, list[str]] = {name: [] for name in by_size}
            for name, k in zip(by_size, strongest, strict=False):
                order = np.argsort(-np.abs(loadings[k]), kind="stable")
                of_peer[name] = adata.var_names[order[: len(gene_sets[name])]].tolist()
            sets[method] |= of_peer
    return sets


def peer_factors(
    adata: anndata.AnnData,
    method: str,
    n_shared: int,
    n_specific: int,
    n_genes: int,
    study_key: str = "group",
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return shared and specific factors by factor analysis with varimax, or by NMF.

    Shared factors are those of all samples. Of the samples of a study alone there are as many as
    shared and specific ones together; its own are those whose genes are least like those of any
    shared factor (Jaccard index). Factors have the genes with the largest absolute loadings. What
    the methods see is said of ``peer_gene_sets``.

    Parameters
    ----------
    adata : AnnData [N x G]
        Counts in ``X``.
    method : {"factor_analysis", "nmf"}
    n_shared, n_specific : int
        Numbers of factors: of all samples, and of each study's own.
    n_genes : int
        Genes of each factor.

    Returns
    -------
    masks : DataFrame [G x K]
        Loadings; zero but for the genes of the factor.
    factors : DataFrame
        ``factor``, ``kind`` (``"shared"`` or ``"specific"``) and ``study``.
    latent : DataFrame [N x K]
        Factors; NaN where the factor is another study's.

    Raises
    ------
    InputError
        If the method is unknown, a number is out of its range or the column is missing.
    """
    require_anndata(adata)
    if method not in _METHODS:
        raise InputError(f"no method {method!r}: choose one of {', '.join(_METHODS)}")
    n_shared, n_genes = whole("n_shared", n_shared, 0), whole("n_genes", n_genes)
    n_specific = whole("n_specific", n_specific, 0)
    x, study = _counts_and_studies(adata, study_key)

    def analysed(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        loadings, scores = _METHODS[method](x[rows], study[rows], k)
        order = np.argsort(-np.abs(loadings), axis=1, kind="stable")
        np.put_along_axis(loadings, order[:, n_genes:], 0.0, axis=1)
        return loadings.T, scores

    masks, latent, factors = {}, {}, []
    everywhere = np.ones(len(x), bool)
    shared, scores = analysed(everywhere, n_shared) if n_shared else (x[:0].T, x[:, :0])
    found = {"shared": (everywhere, shared, scores)}
    for name in dict.fromkeys(study) if n_specific else ():
        rows = study == name
        own, scores = analysed(rows, n_shared + n_specific)
        likeness = jaccard(own, shared).max(axis=1, initial=0)
        least = np.sort(np.argsort(likeness, kind="stable")[:n_specific])
        found[name] = (rows, own[:, least], scores[:, least])
    for part, (rows, loadings, scores) in found.items():
        for k in range(loadings.shape[1]):
            factor = f"{part}_{k + 1:02d}"
            masks[factor] = loadings[:, k]
            latent[factor] = pd.Series(scores[:, k], adata.obs_names[rows])
            kind, of = ("shared", None) if part == "shared" else ("specific", part)
            factors.append({"factor": factor, "kind": kind, "study": of})
    return (
        pd.DataFrame(masks, adata.var_names),
        pd.DataFrame(factors, columns=["factor", "kind", "study"]),
        pd.DataFrame(latent, adata.obs_names),
    )


def _counts_and_studies(adata: anndata.AnnData, study_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return counts [N x G] and the names of the samples' studies [N]."""
    if study_key not in adata.obs:
        raise InputError(f"adata.obs has no column {study_key!r}")
    return dense(adata.X).astype(float), adata.obs[study_key].astype(str).to_numpy()


def _factor_analysis(x: np.ndarray, study: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings [k x G] and factors [n x k] of counts [n x G]."""
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
        scores = analysis.fit_transform(y)
    return analysis.components_, scores


def _nmf(x: np.ndarray, study: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings [k x G], the shares of a gene's mean, and factors [n x k]."""
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
    return parts / (parts.sum(0) + _TINY), weights


_METHODS = {"factor_analysis": _factor_analysis, "nmf": _nmf}

"""Spectra (scSpectra), of gene sets that are given: factors of all studies, and two of each.

Of logarithms of relative expression; studies are its cell types, and its settings its defaults. Of
the gene sets it takes as many as there are factors of all studies, less one, by its own rule: those
whose genes are the most coherent. Loadings are its factors; all entries count. The package does
not tell the factors of new samples, so nothing is predicted.
"""

import warnings

import anndata
import pandas as pd
import torch

from mssvae.data.matrices import dense
from mssvae.enrichment import read_gmt
from mssvae.evaluation._peers import log_relative
from studies.comparison.interface import Fitted, Problem, Unsuitable, columns

PACKAGE = "scSpectra"

# The fewest that its documentation advises.
_OF_EACH_STUDY = 2
# Fewest and most of the data's genes in a gene set.
_SIZES = (20, 100)


def fit(
    adata: anndata.AnnData,
    problem: Problem,
    gene_sets: str | None = None,
    num_epochs: int = 10_000,
) -> Fitted:
    """Fit all studies together, for the package's ``num_epochs`` at the most.

    ``gene_sets`` is a GMT file.
    """
    if gene_sets is None:
        raise Unsuitable("needs gene sets")
    if not problem.counts:
        raise Unsuitable("needs counts")
    studies = sorted(adata.obs["group"].astype(str).unique())
    n_shared = problem.n_factors - _OF_EACH_STUDY * len(studies)
    if n_shared < 2:
        raise Unsuitable(f"{problem.n_factors} factors are too few for {len(studies)} studies")
    from Spectra import est_spectra

    torch.manual_seed(problem.seed)
    x = dense(adata.X).astype(float)
    obs = pd.DataFrame({"group": adata.obs["group"].astype(str)}, adata.obs_names)
    logged = anndata.AnnData(log_relative(x, x.sum(1)), obs, adata.var[[]])
    sets = {"global": suitable(read_gmt(gene_sets), adata.var_names)}
    sizes = {"global": n_shared} | dict.fromkeys(studies, _OF_EACH_STUDY)
    with warnings.catch_warnings(action="ignore"):
        model = est_spectra(
            logged,
            sets | {study: {} for study in studies},
            L=sizes,
            use_highly_variable=False,
            cell_type_key="group",
            label_factors=False,
            num_epochs=num_epochs,
        )
    loadings = columns(model.factors.T, adata.var_names)
    # Those of all studies come first, then each study's in the order of names.
    own = {
        loadings.columns[n_shared + _OF_EACH_STUDY * i + j]: study
        for i, study in enumerate(studies)
        for j in range(_OF_EACH_STUDY)
    }
    return Fitted(loadings, columns(model.cell_scores, adata.obs_names), own)


def suitable(annotation: pd.DataFrame, genes: pd.Index) -> dict[str, list[str]]:
    """Return the gene sets with 20 to 100 of the data's genes, by id; of equal ones the first.

    Parameters
    ----------
    annotation : DataFrame
        As from ``mssvae.enrichment.read_gmt``.
    genes : Index
        Of the data.
    """
    found: dict[tuple[str, ...], str] = {}
    known = annotation[annotation["gene"].isin(genes)]
    for name, members in known.groupby("ID")["gene"]:
        if _SIZES[0] <= len(members) <= _SIZES[1]:
            found.setdefault(tuple(sorted(members)), str(name))
    return {name: list(members) for members, name in found.items()}

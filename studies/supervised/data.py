"""Samples with a group, and their parts: to learn from, and to be judged by."""

from collections.abc import Iterator
from dataclasses import dataclass

import anndata as ad
import numpy as np
from sklearn.model_selection import StratifiedKFold

from mssvae.data.matrices import dense
from mssvae.errors import InputError
from mssvae.preprocess import quality_control, select_genes
from studies.comparison.data import platelet_counts


def samples(counts: str) -> ad.AnnData:
    """Return the platelets of GSE68086 by group: all genes, samples with enough counts.

    Whether a sample stays depends on its own counts alone (appendix C.4), so this is no part of
    what is learned.

    Parameters
    ----------
    counts : str
        Folder with the files of the series, which has its name.
    """
    adata = platelet_counts(counts)
    kept = quality_control(adata)[0].obs_names
    return adata[kept].copy()


@dataclass(frozen=True)
class Split:
    """Samples to learn from and samples to be judged by, with the genes that the former select.

    Attributes
    ----------
    fold : int
        From 1.
    train, test : AnnData [n x G]
        Counts in ``X``, dense; groups in ``obs["group"]``.
    """

    fold: int
    train: ad.AnnData
    test: ad.AnnData


def splits(adata: ad.AnnData, folds: int, n_genes: int, seed: int) -> Iterator[Split]:
    """Yield the folds of a cross-validation, stratified by group.

    Genes pass quality control and are selected by the training samples of each fold.

    Parameters
    ----------
    adata : AnnData [N x all genes]
        Counts, as of ``samples``; ``obs["group"]``.
    folds : int
    n_genes : int
        The most variable ones, of those that pass (section 5, appendix C.4).
    seed : int
        Of the folds.

    Raises
    ------
    InputError
        If a group has fewer samples than there are folds, a sample that is to be judged has no
        counts of the selected genes, or as ``quality_control`` and ``select_genes``.
    """
    groups = adata.obs["group"].astype(str)
    sizes = groups.value_counts()
    if sizes.min() < folds:
        raise InputError(
            f"the group {sizes.idxmin()!r} has {sizes.min()} samples, fewer than {folds} folds: "
            "take fewer folds, or leave the group out"
        )
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(groups, groups)
    for fold, (train, test) in enumerate(parts, start=1):
        # Samples are here to stay: it is genes that are judged.
        seen, *_ = quality_control(adata[train], min_log_library=0)
        selected, _ = select_genes(seen, n_genes)
        names = selected.var_names
        yield Split(fold, _dense(selected), _dense(adata[test, names]))


def _dense(adata: ad.AnnData) -> ad.AnnData:
    values = dense(adata.X).astype(np.float32)
    empty = adata.obs_names[values.sum(1) == 0]
    if len(empty):
        raise InputError(f"sample {empty[0]!r} has no counts of the selected genes: leave it out")
    return ad.AnnData(values, adata.obs[["group"]].astype(str), adata.var[[]].copy())

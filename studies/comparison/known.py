"""Whether factors are about what is known of real data from elsewhere."""

from collections.abc import Iterator

import anndata
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from mssvae.enrichment import compare_backgrounds

# Draws of random sets: what is told is a mean.
_DRAWS = 20


def processes(
    top: pd.DataFrame, genes: pd.DataFrame, annotation: pd.DataFrame
) -> Iterator[tuple[str, float]]:
    """Yield numbers of GO processes against the background of expressed genes.

    All factors together, as most methods do not say which study a factor is of.

    Parameters
    ----------
    top : DataFrame of bool [G x K]
        The genes of each factor.
    genes, annotation
        As of ``mssvae.enrichment.compare_backgrounds``.

    Yields
    ------
    (str, float)
        ``enriched``, the share of factors with a process; ``enriched_own``, with one that no other
        factor has; ``processes``, how many distinct ones; and each of random sets, ``..._random``.
    """
    sets = {factor: top.index[top[factor]].tolist() for factor in top}
    factors = pd.DataFrame({"factor": list(sets), "kind": "shared"})
    table = compare_backgrounds(
        {"found": (sets, factors)}, genes, annotation, _DRAWS, backgrounds=["expressed"]
    )
    for row in table[table["kind"] == "shared"].itertuples():
        end = "" if row.method == "found" else "_random"
        yield f"enriched{end}", row.n_enriched / max(row.n_sets, 1)
        yield f"enriched_own{end}", row.n_own / max(row.n_sets, 1)
        yield f"processes{end}", row.n_processes


def process_of_study(
    loadings: pd.DataFrame, studies: pd.Series, of: dict[str, str], annotation: pd.DataFrame
) -> float:
    """Return how well the own factors of a study rank the genes of a process that is its own.

    A gene's rank is by its largest absolute loading, each as a share of the largest of its column;
    genes without any have the last rank together.

    Parameters
    ----------
    loadings : DataFrame [G x K]
    studies : Series [K]
        The study that each column is said to be of.
    of : dict
        By study the id of its process.

    Returns
    -------
    float
        Average precision, the mean over the studies; random ranks have the share of the process.
    """
    relative = loadings.abs() / loadings.abs().max()
    precisions = []
    for study, process in of.items():
        members = annotation.loc[annotation["ID"] == process, "gene"]
        own = relative.loc[:, (studies == study).to_numpy()]
        score = own.max(axis=1).fillna(0.0)  # All zero where no factor is said to be of the study.
        precisions.append(average_precision_score(loadings.index.isin(members), score))
    return float(np.mean(precisions))


def labels_of_study(factors: pd.DataFrame, studies: pd.Series, adata: anndata.AnnData) -> float:
    """Return how many labels of one study alone have a factor that is said to be that study's.

    It counts if, of all factors, the one that tells the samples with the label best from the others
    of their study (area under the curve, in either direction) is the study's own.

    Parameters
    ----------
    factors : DataFrame [N x K]
    studies : Series [K]
        The study that each column is said to be of.
    adata
        ``obs["own_label"]``, missing for samples without one, and ``obs["group"]``.
    """
    label, group = (adata.obs[key].astype(object) for key in ("own_label", "group"))
    right = []
    for name in label.dropna().unique():
        study = group[label == name].iloc[0]
        rows = (group == study).to_numpy()
        areas = [roc_auc_score((label == name)[rows], z[rows]) for z in factors.to_numpy().T]
        right.append(studies.iloc[np.argmax(np.abs(np.array(areas) - 0.5))] == study)
    return float(np.mean(right))

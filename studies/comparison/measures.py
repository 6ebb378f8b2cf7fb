"""What the fits of a method are measured by, the same for all methods."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from mssvae.data.files import read_table
from mssvae.evaluation import agreement
from mssvae.metrics import disentanglement, remove_dense, support_scores
from mssvae.replicates import Factorisation, truth
from mssvae.results.tables import FactorTables
from studies.comparison.known import labels_of_study, process_of_study, processes

# Of a column's largest absolute loading: what the best threshold is sought among.
THRESHOLDS = np.round(np.arange(0, 1, 0.02), 2)
# Of the features, those with the largest absolute loadings: what agreement and processes are about.
TOP_SHARE = 0.1
# Fewest samples with a label that counts, and folds of the classifier.
_FEWEST, _FOLDS = 5, 5
PAIRS = {"seeds": ("all", "seed"), "halves": ("half_1", "half_2")}


@dataclass(frozen=True)
class Found:
    """Tables of one fit, as ``fitting`` writes them.

    Attributes
    ----------
    loadings, support, factors : DataFrame
        As in ``Fitted``; ``kinds`` has a row per column.
    """

    loadings: pd.DataFrame
    support: pd.DataFrame
    factors: pd.DataFrame
    kinds: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> "Found":
        """Read the tables of a folder."""
        loadings, support = (
            read_table(folder / f"{name}.tsv.gz", index="feature")
            for name in ("loadings", "support")
        )
        latent = read_table(folder / "latent.tsv.gz", index="sample")
        return cls(loadings, support != 0, latent, read_table(folder / "factors.tsv"))

    @property
    def names_studies(self) -> bool:
        """Whether the method says which study a factor is of."""
        return bool(self.kinds["kind"].notna().any())


def measures(
    folder: Path,
    adata: anndata.AnnData,
    max_column_share: float = 1.0,
    annotation: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what the fits of a method to one data set are worth.

    Parameters
    ----------
    folder : Path
        One folder for each fit, by its name in ``fitting.FITS``; those that are missing are not
        measured.
    adata : AnnData [N x G]
        The data, with the truth if they were simulated, and what ``data`` says is known.
    max_column_share : float
        Supports are compared with the truth without columns that have a larger share of entries.
    annotation : DataFrame, optional
        Genes of GO processes, as from ``mssvae.enrichment.read_gmt``; without it nothing is said of
        processes.

    Returns
    -------
    DataFrame
        ``version``, ``measure``, ``value``, ``note``. ``fitted`` is 0 with a note where there is no
        result.
    """
    about = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/about.json")}
    first = about["all"]
    rows = [("fitted", float(first["fitted"]), first["note"])]
    if first["fitted"]:
        rows += [(key, first[key], None) for key in ("seconds", "peak_memory_mib")]
        found = Found.read(folder / "all")
        rows += [(key, value, None) for key, value in _of_one(found, adata, max_column_share)]
        rows += _of_known(found, adata, annotation)
        rows += _of_several(folder, about)
    table = pd.DataFrame(rows, columns=["measure", "value", "note"])
    table.insert(0, "version", first.get("version"))
    return table


def _of_one(
    found: Found, adata: anndata.AnnData, max_column_share: float
) -> Iterator[tuple[str, float]]:
    """Yield measures of the fit to all samples."""
    yield "n_factors", found.support.any().sum()
    yield "entries", found.support.to_numpy().sum()
    if "true_shared" in adata.varm:
        yield from _against_truth(found, truth(adata), max_column_share)
    if "label" in adata.obs:
        yield "labels", label_accuracy(found.factors.to_numpy(), adata.obs["label"])


def _of_known(
    found: Found, adata: anndata.AnnData, annotation: pd.DataFrame | None
) -> Iterator[tuple[str, float, str | None]]:
    """Yield measures by what is known of real data."""
    if annotation is not None and "genes" in adata.uns:
        top = _tops(found).shared
        for name, value in processes(top, adata.uns["genes"], annotation):
            yield name, value, None
    by_process = annotation is not None and "own_processes" in adata.uns
    if not (by_process or "own_label" in adata.obs):
        return
    if not found.names_studies:
        yield "specific_right", np.nan, "does not say which study a factor is of"
        return
    studies = found.kinds["study"]
    if by_process:
        known = adata.uns["own_processes"]
        value = process_of_study(found.loadings, studies, known, annotation)
    else:
        value = labels_of_study(found.factors.loc[adata.obs_names], studies, adata)
    yield "specific_right", value, None


def _of_several(folder: Path, about: dict[str, dict]) -> Iterator[tuple[str, float, str | None]]:
    """Yield the score on unseen samples, and how alike pairs of fits are."""
    if "seen" in about:
        found = about["seen"]
        score = found.get("score")
        note = found["note"] if score is not None or not found["fitted"] else "does not predict"
        yield "unseen", np.nan if score is None else score, note
    for name, pair in PAIRS.items():
        if not set(pair) <= about.keys():
            continue
        note = next((about[one]["note"] for one in pair if not about[one]["fitted"]), None)
        value = np.nan
        if note is None:
            value = agreement(*(_tops(Found.read(folder / one)) for one in pair))
        yield f"agreement_{name}", value, note


def _tops(found: Found) -> FactorTables:
    """Return which features have the largest loadings in each column, and none that are zero."""
    size = found.loadings.abs()
    top = (size.rank(ascending=False, method="first") <= TOP_SHARE * len(size)) & (size > 0)
    # As one part: a method that moves a factor from one study to another has still found it.
    return FactorTables(top, {})


def _against_truth(
    found: Found, true: Factorisation, max_column_share: float
) -> Iterator[tuple[str, float]]:
    """Yield scores of the supports by the method's own rule and by the best threshold.

    All columns together, as most methods do not say which study a factor belongs to; those of
    shared and of specific ones besides, where a method says so.
    """

    def scores(support: pd.DataFrame) -> dict[str, float]:
        return support_scores(true.masks, remove_dense(support, max_column_share))

    own = scores(found.support)
    yield from own.items()
    relative = found.loadings.abs() / found.loadings.abs().max()
    by_threshold = [scores(relative.fillna(0) > threshold) for threshold in THRESHOLDS]
    best = max([own, *by_threshold], key=lambda one: one["consensus"])
    for name, value in best.items():
        yield f"best_{name}", value
    if found.names_studies:
        yield from _by_kind(found, true, max_column_share)
    yield "disentanglement", disentanglement(true.padded(), found.factors)


def _by_kind(
    found: Found, true: Factorisation, max_column_share: float
) -> Iterator[tuple[str, float]]:
    support = remove_dense(found.support, max_column_share)
    estimate = Factorisation(support, found.kinds)

    def consensus(part: str) -> float:
        names = set(estimate.names(part))  # Some of them are dense.
        estimated = support[[name for name in support if name in names]]
        return support_scores(true.masks[true.names(part)], estimated)["consensus"]

    yield "consensus_shared", consensus("shared")
    studies = true.factors["study"].dropna().unique()
    yield "consensus_specific", float(np.mean([consensus(study) for study in studies]))


def label_accuracy(factors: np.ndarray, label: pd.Series) -> float:
    """Return the balanced accuracy of labels from factors, by logistic regression in five folds.

    Parameters
    ----------
    factors : array [N x K]
        Without any, what guessing reaches.
    label : Series [N]
        Missing for some, maybe; labels of fewer than five samples are left out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = label.astype(object)
    kept = label.notna() & (label.map(label.value_counts()) >= _FEWEST)
    z, y = factors[kept.to_numpy()], label[kept].to_numpy()
    if not z.shape[1]:
        return 1 / len(set(y))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        return float(cross_val_score(model, z, y, cv=folds, scoring="balanced_accuracy").mean())

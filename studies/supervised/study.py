"""A classifier of groups on all features, and beside all draws, and its scores."""

import time
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mssvae.errors import InputError
from mssvae.replicates import seeds
from studies.supervised import augmentation, features
from studies.supervised.data import Split, splits

PARTS = ("features", "permuted", "augmentation")
MEASURES = ("balanced_accuracy", "auc", "small_recall", "small_auc", "columns", "seconds")
# What the differences of a summary are from.
BASELINES = {"features": "genes", "permuted": "genes", "augmentation": "none"}

# Inverse strengths of the penalty of the logistic regression.
_PENALTIES = tuple(float(10**power) for power in range(-5, 2))
_INNER_FOLDS = 5
_ITERATIONS = 2000


@dataclass(frozen=True)
class Design:
    """What is the same for all methods.

    Attributes
    ----------
    n_genes : int
        That the training samples of a fold select.
    n_factors : int
        Components of every method; ours starts with so many shared factors.
    n_specific : int
        Factors of each study's own to start with, where groups are studies.
    folds : int
        Of each cross-validation.
    small : str
        The group that is made small.
    kept : int
        Its training samples that are kept, at least five, the folds within.
    drawn : int
        Samples that are drawn for it.
    master_seed : int
        The seeds of splits and fits derive from it and the number of the replicate.
    """

    n_genes: int
    n_factors: int
    n_specific: int
    folds: int
    small: str
    kept: int
    drawn: int
    master_seed: int


def scores(adata: ad.AnnData, design: Design, part: str, replicate: int) -> pd.DataFrame:
    """Return scores of all methods on all folds of one cross-validation.

    Parameters
    ----------
    adata : AnnData [N x all genes]
        Counts; ``obs["group"]``.
    design : Design
    part : {"features", "permuted", "augmentation"}
        Features of all training samples, the same with the groups permuted, or genes with draws
        for a small group.
    replicate : int
        Other replicates have other folds and seeds.

    Returns
    -------
    DataFrame
        One row per fold and method: ``part``, ``method``, ``replicate``, ``fold``;
        ``balanced_accuracy``; ``auc``, the mean over groups of one against the rest;
        ``small_recall`` and ``small_auc``, of the small group; ``columns``, the number of features;
        ``seconds`` of CPU time.

    Raises
    ------
    InputError
        If the part is unknown, there is no group of that name, fewer of it would be kept than there
        are inner folds or more than there are, or as ``splits``.
    """
    if part not in PARTS:
        raise InputError(f"unknown part {part!r}: choose one of {', '.join(PARTS)}")
    if design.small not in set(adata.obs["group"]):
        raise InputError(f"small: no sample is of the group {design.small!r}")
    seed = seeds(design.master_seed, "supervised", replicate)
    adata = adata.copy()
    if part == "permuted":
        rng = np.random.default_rng(seed["data"])
        adata.obs["group"] = rng.permutation(adata.obs["group"])
    judge, methods = by_features, [*features.METHODS]
    if part == "augmentation":
        judge, methods = augmented, ["none", *augmentation.METHODS]
    rows = []
    for split in splits(adata, design.folds, design.n_genes, seed["data"]):
        for method in methods:
            start = time.process_time()
            probabilities, columns = judge(split, design, method, seed["fit"])
            seconds = time.process_time() - start
            found = measures(split.test.obs["group"], probabilities, design.small)
            about = {"part": part, "method": method, "replicate": replicate, "fold": split.fold}
            rows.append({**about, **found, "columns": columns, "seconds": seconds})
    return pd.DataFrame(rows)


def by_features(split: Split, design: Design, method: str, seed: int) -> tuple[pd.DataFrame, int]:
    """Return probabilities of the groups [n x M] by features of a method, and their number."""
    learn = features.METHODS[method]
    transform = learn(split.train, design.n_factors, design.n_specific, seed)
    x = transform(split.train.X)
    found = searched(x, split.train.obs["group"], seed)
    return _probabilities(found, transform(split.test.X), split), x.shape[1]


def augmented(split: Split, design: Design, method: str, seed: int) -> tuple[pd.DataFrame, int]:
    """Return probabilities of the groups [n x M] by genes, with draws for the small group.

    The penalty is that of the classifier without draws: within folds, draws would be made of the
    samples that they are judged by.
    """
    train = thinned(split.train, design.small, design.kept, seed)
    x, groups = features.log_expression(train.X), train.obs["group"]
    found = searched(x, groups, seed)
    if method != "none":
        draw = augmentation.METHODS[method]
        about = design.small, design.drawn, design.n_factors, design.n_specific
        drawn = features.log_expression(draw(train, *about, seed))
        found.fit(np.concatenate([x, drawn]), [*groups, *[design.small] * len(drawn)])
    return _probabilities(found, features.log_expression(split.test.X), split), x.shape[1]


def thinned(train: ad.AnnData, small: str, kept: int, seed: int) -> ad.AnnData:
    """Return training samples with some of the small group alone."""
    of_group = np.flatnonzero(train.obs["group"] == small)
    if not _INNER_FOLDS <= kept <= len(of_group):
        raise InputError(
            f"kept: {kept} of the {len(of_group)} training samples of {small!r} cannot be kept: it "
            f"must be from {_INNER_FOLDS}, the folds within, to their number"
        )
    left_out = np.random.default_rng(seed).permutation(of_group)[kept:]
    return train[np.setdiff1d(np.arange(train.n_obs), left_out)].copy()


def searched(x: np.ndarray, groups: pd.Series, seed: int) -> Pipeline:
    """Return a balanced logistic regression, its penalty chosen by folds of these samples."""
    sizes = groups.value_counts()
    if sizes.min() < _INNER_FOLDS:
        raise InputError(
            f"the group {sizes.idxmin()!r} has {sizes.min()} training samples, fewer than the "
            f"{_INNER_FOLDS} folds within: leave it out"
        )
    classifier = Pipeline(
        [
            ("scale", StandardScaler()),
            ("regress", LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS)),
        ]
    )
    inner = StratifiedKFold(_INNER_FOLDS, shuffle=True, random_state=seed)
    grid = {"regress__C": _PENALTIES}
    search = GridSearchCV(classifier, grid, scoring="neg_log_loss", cv=inner, error_score="raise")
    return search.fit(x, groups).best_estimator_


def measures(truth: pd.Series, probabilities: pd.DataFrame, small: str) -> dict[str, float]:
    """Return the scores of probabilities [n x M], columns in the order of their names."""
    named = probabilities.columns[probabilities.to_numpy().argmax(1)]
    of_small = (truth == small).to_numpy()
    areas = {group: roc_auc_score(truth == group, p) for group, p in probabilities.items()}
    return {
        "balanced_accuracy": balanced_accuracy_score(truth, named),
        "auc": float(np.mean(list(areas.values()))),
        "small_recall": float((named[of_small] == small).mean()),
        "small_auc": areas[small],
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over all folds, and differences from the baseline.

    Parameters
    ----------
    table : DataFrame
        Rows of ``scores``.

    Returns
    -------
    DataFrame
        One row per part, method and measure, in the order of the table: ``splits``, ``mean``,
        ``sd``; ``difference`` and ``difference_sd``, of differences in the same fold from genes, or
        from no draws. Folds share training samples: their spread is no standard error.
    """
    fold = ["part", "replicate", "fold", "measure"]
    long = table.melt([*fold[:3], "method"], MEASURES, "measure")
    baseline = long[long["method"] == long["part"].map(BASELINES)]
    long = long.merge(baseline[[*fold, "value"]].rename(columns={"value": "base"}), on=fold)
    long["gain"] = long["value"] - long["base"]
    groups = long.groupby(["part", "method", "measure"], sort=False)
    return groups.agg(
        splits=("value", "size"),
        mean=("value", "mean"),
        sd=("value", "std"),
        difference=("gain", "mean"),
        difference_sd=("gain", "std"),
    ).reset_index()


def _probabilities(classifier: Pipeline, x: np.ndarray, split: Split) -> pd.DataFrame:
    return pd.DataFrame(classifier.predict_proba(x), split.test.obs_names, classifier.classes_)

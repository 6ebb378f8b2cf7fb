"""The talk's measures on real data: samples that no fit has seen, a part of their counts held out.

Real data have no true factors. What remains is how well a model foretells, and what its factors
say of labels that it was not given.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import torch

from mssvae.data.matrices import dense
from mssvae.data.validation import whole
from mssvae.errors import InputError
from mssvae.replicates import seeds
from studies.comparison.measures import label_accuracy
from studies.talk.sparse_vae import SparseVAE
from studies.talk.study import Training, fit, quartiles
from studies.talk.vae import VAE

# Of the counts of an unseen sample.
HELD_OUT = 0.2
# Places of a ranking that are looked at (the talk).
RECALL_AT, NDCG_AT = 5, 10
# Of a feature among the expected values of a sample, so that none is impossible.
_LEAST_SHARE = 1e-6
# Samples of which all outputs are in memory at once.
_CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class Folds(Training):
    """The study of one data set.

    Attributes
    ----------
    folds : int
        Parts of the samples: each is unseen once, and the others are fitted.
    """

    folds: int


def unseen_scores(
    adata: ad.AnnData, name: str, design: Folds, method: Mapping[str, Any], fold: int
) -> pd.DataFrame:
    """Fit a method to all folds of some data but one, and score it on that.

    Parameters
    ----------
    adata : AnnData [N x G]
        Counts, as ``readers.read`` returns them.
    name : str
        Of the data; with the master seed and the fold, all seeds derive from it.
    design : Folds
    method : mapping
        As of ``study.scores``.
    fold : int
        From 1.

    Returns
    -------
    DataFrame
        ``data``, ``method``, ``fold``, ``measure``, ``value``: those of ``measures``, and
        ``seconds`` of the fit.

    Raises
    ------
    InputError
        If there are fewer folds or samples; or as ``study.scores``.
    """
    fold = whole("fold", fold)
    if not fold <= design.folds <= len(adata):
        raise InputError(f"fold {fold} of {design.folds} folds of {len(adata)} samples: too many")
    x = dense(adata.X).astype(np.float32)
    # The same for all folds, so that each sample is unseen once.
    order = np.random.default_rng(seeds(design.master_seed, name, 0)["data"]).permutation(len(x))
    unseen = np.zeros(len(x), dtype=bool)
    unseen[np.array_split(order, design.folds)[fold - 1]] = True
    seed = seeds(design.master_seed, name, fold)
    start = time.perf_counter()
    fitted = torch.from_numpy(x[~unseen])
    model = fit(design, method, fitted, seed["fit"], likelihood="negative_binomial")
    seconds = time.perf_counter() - start
    label = adata.obs["label"][unseen] if "label" in adata.obs else None
    values = {**measures(model, x[unseen], label, seed["data"]), "seconds": seconds}
    table = pd.DataFrame({"measure": list(values), "value": list(values.values())})
    return pd.concat(
        [pd.DataFrame({"data": name, "method": method["title"], "fold": fold}, table.index), table],
        axis=1,
    )


def measures(
    model: VAE | SparseVAE, x: np.ndarray, label: pd.Series | None, seed: int
) -> dict[str, float]:
    """Return how well a fitted model foretells counts, and what its factors say of labels.

    A random fifth of the counts of each sample is held out, at least one; factors are the
    posterior means given the others. Expected values, taken as shares of a sample, are the
    probabilities of the counts: the categorical likelihood of the talk's code.

    Parameters
    ----------
    model
        With ``factors`` and ``expected``.
    x : array [n x G]
        Counts of samples, none of them all zero.
    label : Series [n], optional
        Missing for some, maybe.
    seed : int
        Of the counts that are held out.

    Returns
    -------
    dict
        ``log_likelihood`` of a count that is held out, in nats, the mean. If no count is above one,
        as with movies that are liked, also ``recall_5`` and ``ndcg_10`` of those held out, among
        all that the model was not given. The same with ``_given`` is of all counts, by factors
        given all of them, which is what the talk's code has: a model that copies does well.
        ``labels``, of the factors given all counts (``label_accuracy``).
    """
    held_out = _held_out(x, seed)
    values = {}
    for ending, given, target in (("", x - held_out, held_out), ("_given", x, x)):
        share = _shares(model, given)
        values[f"log_likelihood{ending}"] = float((target * np.log(share)).sum() / target.sum())
        if x.max() == 1:
            # What was given cannot come again.
            ranked = share if target is x else np.where(given > 0, 0, share)
            values[f"recall_{RECALL_AT}{ending}"] = recall(target > 0, ranked, RECALL_AT)
            values[f"ndcg_{NDCG_AT}{ending}"] = ndcg(target > 0, ranked, NDCG_AT)
    if label is not None:
        with torch.no_grad():
            factors = model.factors(torch.from_numpy(x)).numpy()
        values["labels"] = label_accuracy(factors, label)
    return values


def recall(relevant: np.ndarray, scores: np.ndarray, k: int) -> float:
    """Return the share of relevant features among the k with the highest scores, the mean.

    Of as many as k places can hold, so that 1 is reached whatever their number (Liang et al.,
    2018).

    Parameters
    ----------
    relevant : array of bool [n x G]
        One at least in each row.
    scores : array [n x G]
    k : int
    """
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant, top, axis=1).sum(1)
    return float((hits / np.minimum(relevant.sum(1), k)).mean())


def ndcg(relevant: np.ndarray, scores: np.ndarray, k: int) -> float:
    """Return the normalised discounted cumulative gain of the k highest scores, the mean.

    Parameters are those of ``recall``.
    """
    from sklearn.metrics import ndcg_score

    return float(ndcg_score(relevant, scores, k=k, ignore_ties=True))


def unseen_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return median and quartiles over the folds of every measure.

    Parameters
    ----------
    table : DataFrame
        Rows of ``unseen_scores``.

    Returns
    -------
    DataFrame
        One row per data, method and measure, in the order of the table: ``data``, ``method``,
        ``measure``, ``replicates``, ``lower``, ``median``, ``upper``.
    """
    return quartiles(table, ["data", "method", "measure"])


def _held_out(x: np.ndarray, seed: int) -> np.ndarray:
    """Return so many of the counts as are held out, drawn without replacement, [n x G]."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            rng.multivariate_hypergeometric(counts, int(np.ceil(HELD_OUT * counts.sum())))
            for counts in x.astype(np.int64)
        ]
    ).astype(x.dtype)


@torch.no_grad()
def _shares(model: VAE | SparseVAE, x: np.ndarray) -> np.ndarray:
    """Return the expected values of samples as shares, [n x G], in double precision."""
    parts = torch.from_numpy(x).split(_CHUNK)
    expected = torch.cat([model.expected(model.factors(part)) for part in parts]).double().numpy()
    return np.maximum(expected / expected.sum(1, keepdims=True), _LEAST_SHARE)

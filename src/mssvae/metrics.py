"""Scores of estimated factors against true ones (section 4 and appendix C.1)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from mssvae.data.matrices import as_numbers, dense, refuse
from mssvae.data.validation import listed, number
from mssvae.errors import InputError

# Supports and factors come as arrays, sparse matrices or tables; a single column, one-dimensional,
# does as well. Tables are checked to have the same rows.
Matrix = np.ndarray | sparse.spmatrix | sparse.sparray | pd.DataFrame | pd.Series
# Of a column's largest absolute value: what varies less is constant, but for rounding.
_ROUNDING = 1e-12


def remove_dense(support: Matrix, max_share: float = 0.25) -> Matrix:
    """Remove the columns in which more than ``max_share`` of the features are non-zero.

    Section 4.2 does so to the estimate before scoring supports: that each sample's expression is
    normalised correlates all genes, and dense columns take this up. Disentanglement is scored on
    all columns.

    Parameters
    ----------
    support : array, sparse matrix or DataFrame of bool [G x K]
        Which features each factor affects, or a mask, whose non-zero entries say so.
    max_share : float
        Largest share of non-zero entries to keep, 0 to 1.

    Returns
    -------
    array or DataFrame [G x K']
        The other columns, in their order; a DataFrame if ``support`` is a DataFrame or Series, CSC
        if it is sparse.

    Raises
    ------
    InputError
        If a value is missing or no number, or ``max_share`` is no share.
    """
    max_share = number("max_share", max_share, at_least=0, at_most=1)
    keep = _support(support, "the support").mean(axis=0) <= max_share
    if isinstance(support, pd.Series):
        support = support.to_frame()
    if isinstance(support, pd.DataFrame):
        return support.loc[:, keep]
    if sparse.issparse(support):
        return support.tocsc()[:, keep]
    values = np.asarray(support)
    return values.reshape(len(values), -1)[:, keep]


def jaccard(true_support: Matrix, support: Matrix) -> np.ndarray:
    """Return the Jaccard index of each true column with each estimated one (equation C.1).

    Parameters
    ----------
    true_support : array or DataFrame of bool [G x K]
        Which features each true factor affects, or a mask, whose non-zero entries say so.
    support : array or DataFrame of bool [G x K_hat]
        The same for the estimated factors.

    Returns
    -------
    array [K x K_hat]
        From 0, no feature in common, to 1, equal; 0 for two columns without a non-zero entry.

    Raises
    ------
    InputError
        If the two do not have the same features, or a value is missing or no number.
    """
    true, found = _supports(true_support, support)
    return _jaccard(true, found)


def support_scores(true_support: Matrix, support: Matrix) -> dict[str, float]:
    """Return relevance, recovery and consensus of one sparse matrix (equations C.2 to C.4).

    Columns without a non-zero entry are no factors. Equal columns count each: a factor that is
    found twice lowers the consensus.

    Parameters
    ----------
    true_support : array or DataFrame of bool [G x K]
        Which features each true factor affects, or a mask, whose non-zero entries say so.
    support : array or DataFrame of bool [G x K_hat]
        The same for the estimated factors.

    Returns
    -------
    dict
        ``relevance``, the mean over the estimated factors of the best Jaccard index with a true
        one; ``recovery``, the mean over the true factors of the best with an estimated one;
        ``consensus``, the sum of the Jaccard indices over the best one-to-one assignment, divided
        by the larger number of factors. Where C.2 to C.4 divide by zero: all are 1 if there is
        neither a true nor an estimated factor, and 0 if there is only one of the two.

    Raises
    ------
    InputError
        If the two do not have the same features, or a value is missing or no number.
    """
    from scipy.optimize import linear_sum_assignment

    true, found = _supports(true_support, support)
    similarity = _jaccard(true[:, true.any(axis=0)], found[:, found.any(axis=0)])
    if similarity.size == 0:
        score = float(similarity.shape == (0, 0))
        return {"relevance": score, "recovery": score, "consensus": score}
    assigned = linear_sum_assignment(similarity, maximize=True)
    return {
        "relevance": float(similarity.max(axis=0).mean()),
        "recovery": float(similarity.max(axis=1).mean()),
        "consensus": float(similarity[assigned].sum() / max(similarity.shape)),
    }


def structure_scores(
    true_shared: Matrix,
    true_specific: Mapping[str, Matrix],
    support_shared: Matrix,
    support_specific: Mapping[str, Matrix],
) -> pd.DataFrame:
    """Return relevance, recovery and consensus of shared and study-specific structure (C.1).

    Parameters
    ----------
    true_shared : array or DataFrame of bool [G x K_S]
        Which features each true shared factor affects, or a mask.
    true_specific : mapping of str to array or DataFrame of bool [G x K_m]
        The same for each study's own factors, by study.
    support_shared, support_specific
        The same for the estimated factors.

    Returns
    -------
    DataFrame
        ``part``, ``metric``, ``value``, one row each; the metrics are those of ``support_scores``
        and the parts ``shared``, ``specific`` (the mean over the studies, if there are any),
        ``specific/<study>``.

    Raises
    ------
    InputError
        If truth and estimate do not have the same features or studies, or a value is missing or no
        number.
    """
    for what, parts in (("true_specific", true_specific), ("support_specific", support_specific)):
        if not isinstance(parts, Mapping):
            raise InputError(f"{what} is a {type(parts).__name__}: give a mapping, by study")
    if true_specific.keys() != support_specific.keys():
        raise InputError(
            f"the true structure has the studies {sorted(true_specific, key=str)} but the estimate "
            f"{sorted(support_specific, key=str)}: give both for the same studies"
        )
    own = {
        f"specific/{study}": support_scores(true, support_specific[study])
        for study, true in true_specific.items()
    }
    scores = {"shared": support_scores(true_shared, support_shared)}
    if own:
        scores["specific"] = pd.DataFrame(own).mean(axis=1).to_dict()
    rows = [
        (part, metric, value)
        for part, by_metric in (scores | own).items()
        for metric, value in by_metric.items()
    ]
    return pd.DataFrame(rows, columns=["part", "metric", "value"])


def pad_factors(shared: pd.DataFrame, specific: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put shared and specific factors side by side, with the zero padding of section 2.2.

    The paper gives one disentanglement score over all factors and all samples; a study's own
    factors are zero in the samples of other studies, as they are in the model.

    Parameters
    ----------
    shared : DataFrame [N x K_S]
        Shared factors of all samples, such as ``MSSVAE.latent().shared``.
    specific : mapping of str to DataFrame [n_m x K_m]
        By study, its own factors for its own samples.

    Returns
    -------
    DataFrame [N x (K_S + sum of K_m)]
        Samples in the order of ``shared``.

    Raises
    ------
    InputError
        If these are no tables, a sample of a study is not in ``shared``, or one is there twice.
    """
    tables = {"shared": shared, **{f"of the study {m!r}": own for m, own in specific.items()}}
    for what, table in tables.items():
        if not isinstance(table, pd.DataFrame):
            raise InputError(f"the factors {what} are a {type(table).__name__}: give a DataFrame")
        repeated = table.index[table.index.duplicated()].unique()
        if len(repeated):
            raise InputError(
                f"the factors {what} have {len(repeated)} samples more than once: "
                f"{listed(repeated)}"
            )
    for study, own in specific.items():
        unknown = own.index[~own.index.isin(shared.index)]
        if len(unknown):
            raise InputError(
                f"{len(unknown)} samples of the study {study!r} have no shared factors, such as "
                f"{listed(unknown)}: give the shared factors of the samples of all studies"
            )
    padded = [own.reindex(shared.index, fill_value=0.0) for own in specific.values()]
    return pd.concat([shared, *padded], axis=1)


def disentanglement(true_factors: Matrix, factors: Matrix) -> float:
    """Return the disentanglement score of Eastwood and Williams (2018; equation C.5).

    Gradient-boosted trees predict each true factor from all estimated ones. The score is near 1 if
    each estimated factor matters for a single true factor, near 0 if for all of them alike.

    The paper does not give the settings of the trees; these are scikit-learn's defaults (100 trees
    of depth 3, learning rate 0.1, importance by decrease in variance, with sum 1 for each true
    factor), with a fixed seed, which only decides between equally good splits. Later trees fit
    noise, so that even factors which are right, but noisy, stay below 1. Time grows with samples x
    true x estimated factors: on one core 8 seconds for 3,000 x 14 x 14, 25 for 3,000 x 14 x 45.
    Constant columns, such as estimated factors whose mask is all zero, are no factors. The trees
    see all columns with mean 0 and variance 1, so that the score does not depend on their units.

    Parameters
    ----------
    true_factors : array or DataFrame [N x K]
        True factors, for example from ``pad_factors``.
    factors : array or DataFrame [N x K_hat]
        Estimated factors of the same samples.

    Returns
    -------
    float
        0 to 1; 0 if there is no true or no estimated factor, 1 if there is a single true one.

    Raises
    ------
    InputError
        If the two do not have the same samples, or a value is not finite or no number.
    """
    from scipy.special import entr
    from sklearn.ensemble import GradientBoostingRegressor

    true, found = (
        _finite(values, what, "give finite values, zero for other studies (pad_factors)")
        for values, what in ((true_factors, "the true factors"), (factors, "the factors"))
    )
    _check_same_rows(true_factors, factors, len(true), len(found), "samples")
    true, found = _standardised(true), _standardised(found)
    n_true = true.shape[1]
    if n_true == 0 or found.shape[1] == 0:
        return 0.0
    importance = np.column_stack(
        [
            GradientBoostingRegressor(random_state=0).fit(found, factor).feature_importances_
            for factor in true.T
        ]
    )
    total = importance.sum(axis=1)
    relevant = total > 0
    shares = importance[relevant] / total[relevant, None]
    # A single true factor has entropy 0 in any base, and base 1 does not exist.
    entropy = entr(shares).sum(axis=1) / np.log(max(n_true, 2))
    return float(np.average(1 - entropy, weights=total[relevant]))


def _jaccard(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    true, found = true.astype(int), found.astype(int)
    intersection = true.T @ found
    union = true.sum(axis=0)[:, None] + found.sum(axis=0) - intersection
    return intersection / np.maximum(union, 1)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Return the columns that vary, with mean 0 and variance 1.

    Trees stop to split below absolute thresholds, and see float32, which a large mean leaves few
    digits.
    """
    largest = np.abs(values).max(axis=0)
    varies = np.ptp(values / np.where(largest > 0, largest, 1), axis=0) > _ROUNDING
    values = values[:, varies] / largest[varies]
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _supports(true: Matrix, estimate: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return two supports of the same features as arrays of bool."""
    supports = _support(true, "the true support"), _support(estimate, "the estimated support")
    _check_same_rows(true, estimate, *map(len, supports), "features")
    return supports


def _support(matrix: Matrix, what: str) -> np.ndarray:
    return _finite(matrix, what, "give zero where a factor does not affect a feature") != 0


def _finite(matrix: Matrix, what: str, advice: str) -> np.ndarray:
    """Return a matrix [n x m] as an array; raise InputError, with the places, unless finite."""
    names = [getattr(matrix, axis, None) for axis in ("index", "columns")]
    if not isinstance(matrix, (pd.DataFrame, pd.Series)):
        names = [None, None]

    def place(i: int, j: int) -> str:
        return ", ".join(
            f"{axis} {position}" if labels is None else f"{axis} {labels[position]!r}"
            for axis, position, labels in zip(("row", "column"), (i, j), names, strict=True)
        )

    values = dense(as_numbers(matrix, what, place))
    if len(values) == 0:
        raise InputError(f"{what} has no rows")
    refuse(~np.isfinite(values), what, "values that are not finite", place, advice)
    return values


def _check_same_rows(true: Matrix, estimate: Matrix, n_true: int, n_found: int, rows: str) -> None:
    if n_true != n_found:
        raise InputError(
            f"the truth has {n_true} {rows} but the estimate {n_found}: give both for the same "
            f"{rows}"
        )
    tables = all(isinstance(table, (pd.DataFrame, pd.Series)) for table in (true, estimate))
    if tables and not true.index.equals(estimate.index):
        raise InputError(
            f"truth and estimate have different {rows}, or another order of them: reindex one like "
            "the other"
        )

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from mssvae.errors import InputError
from mssvae.metrics import (
    disentanglement,
    jaccard,
    pad_factors,
    remove_dense,
    structure_scores,
    support_scores,
)


def columns(*members, n_features=8):
    """Return a support with one column for each set of features."""
    return np.column_stack([np.isin(np.arange(n_features), list(m)) for m in members])


NONE = np.zeros((8, 0), dtype=bool)
TRUE = columns({0, 1, 2, 3}, {4, 5})


def scores(true, found):
    result = support_scores(true, found)
    return [result[metric] for metric in ("relevance", "recovery", "consensus")]


def test_the_jaccard_index_is_the_intersection_over_the_union():
    found = columns({0, 1}, {3, 4}, {6}, set())
    assert_allclose(jaccard(TRUE, found), [[2 / 4, 1 / 5, 0, 0], [0, 1 / 3, 0, 0]])
    assert_allclose(jaccard(columns(set()), columns(set())), [[0]])


def test_permuted_columns_are_a_perfect_recovery():
    assert scores(TRUE, TRUE[:, ::-1]) == [1, 1, 1]


def test_supports_that_differ_score_as_by_hand():
    found = columns({0, 1, 2}, {3, 4, 5})
    assert_allclose(jaccard(TRUE, found), [[3 / 4, 1 / 6], [0, 2 / 3]])
    assert_allclose(scores(TRUE, found), [17 / 24, 17 / 24, 17 / 24])


def test_relevance_judges_the_estimate_and_recovery_the_truth():
    # One true column is found, the other is not; a third column is nowhere in the truth.
    assert_allclose(scores(TRUE, columns({4, 5}, {6}, {7})), [1 / 3, 1 / 2, 1 / 3])


def test_the_assignment_is_the_best_overall_not_column_by_column():
    # The largest index, 4/5, would leave 0 for the other pair: 1/2 + 3/5 is more.
    true = columns({0, 1, 2, 3}, {2, 3, 4})
    found = columns({0, 1, 2, 3, 4}, {0, 1})
    assert_allclose(jaccard(true, found), [[4 / 5, 1 / 2], [3 / 5, 0]])
    assert_allclose(scores(true, found), [1.3 / 2, 1.4 / 2, 1.1 / 2])


def test_a_factor_found_twice_lowers_the_consensus_alone():
    assert_allclose(scores(TRUE, columns({0, 1, 2, 3}, {4, 5}, {4, 5})), [1, 1, 2 / 3])


def test_spare_columns_lower_relevance_and_consensus():
    assert_allclose(scores(TRUE, columns({0, 1, 2, 3}, {4, 5}, {6}, {7})), [1 / 2, 1, 1 / 2])


def test_missing_columns_lower_recovery_and_consensus():
    assert_allclose(scores(TRUE, columns({4, 5})), [1, 1 / 2, 1 / 2])


def test_columns_without_an_entry_are_no_factors():
    found = columns(set(), {4, 5}, set(), {0, 1, 2, 3})
    assert scores(TRUE, found) == [1, 1, 1]
    assert scores(columns(set(), {4, 5}), columns({4, 5})) == [1, 1, 1]


@pytest.mark.parametrize("nothing", [NONE, columns(set(), set()), pd.DataFrame(index=range(8))])
def test_no_factor_scores_0_against_some_and_1_against_none(nothing):
    assert scores(TRUE, nothing) == [0, 0, 0]
    assert scores(nothing, TRUE) == [0, 0, 0]
    assert scores(NONE, nothing) == [1, 1, 1]


def test_a_mask_stands_for_its_non_zero_entries():
    mask = np.where(TRUE, -0.01, 0.0)
    assert scores(TRUE, mask) == [1, 1, 1]
    assert_allclose(jaccard(mask, mask), np.eye(2))


def test_columns_denser_than_a_quarter_are_removed():
    support = columns({0}, {0, 1, 2}, {0, 1}, set())
    assert_allclose(remove_dense(support), support[:, [0, 2, 3]])
    assert_allclose(remove_dense(support, max_share=0.2), support[:, [0, 3]])
    table = pd.DataFrame(support, columns=["a", "b", "c", "d"])
    assert remove_dense(table).columns.tolist() == ["a", "c", "d"]


def test_structure_is_scored_for_shared_each_study_and_their_mean():
    table = structure_scores(
        TRUE,
        {"x": columns({6}), "y": columns({7})},
        TRUE[:, ::-1],
        {"y": columns({6, 7}), "x": columns({6})},
    )
    assert table.columns.tolist() == ["part", "metric", "value"]
    parts = ["shared", "specific", "specific/x", "specific/y"]
    metrics = ["relevance", "recovery", "consensus"]
    assert list(zip(table["part"], table["metric"], strict=True)) == list(
        itertools.product(parts, metrics)
    )
    assert_allclose(table["value"], np.repeat([1, 0.75, 1, 0.5], 3))


def test_other_studies_or_features_are_an_error():
    with pytest.raises(InputError, match=r"the studies \['x'\] but the estimate \['y'\]"):
        structure_scores(TRUE, {"x": TRUE}, TRUE, {"y": TRUE})
    with pytest.raises(InputError, match="the truth has 8 features but the estimate 7"):
        support_scores(TRUE, TRUE[1:])
    table = pd.DataFrame(TRUE)
    with pytest.raises(InputError, match="different features, or another order"):
        support_scores(table, table.iloc[::-1])


def test_scores_without_a_study_are_those_of_shared_structure():
    table = structure_scores(TRUE, {}, TRUE, {})
    assert table["part"].tolist() == ["shared"] * 3
    assert table["value"].tolist() == [1, 1, 1]


FOUND = columns({0, 1, 2}, {3, 4, 5}, {6})
STORAGE = {
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "coo_matrix": sparse.coo_matrix,
    "DataFrame": pd.DataFrame,
    "sparse DataFrame": lambda s: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(s * 1.0)),
    "numbers that may be missing": lambda s: pd.DataFrame(s).astype("Int64"),
    "objects": lambda s: s.astype(object),
    "lists": lambda s: s.tolist(),
    "masked array without a masked value": lambda s: np.ma.masked_array(s, mask=False),
}


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE.keys())
def test_scores_do_not_depend_on_how_supports_are_stored(storage):
    stored = storage(FOUND)
    assert support_scores(TRUE, stored) == support_scores(TRUE, FOUND)
    assert support_scores(stored, TRUE) == support_scores(FOUND, TRUE)
    assert_allclose(jaccard(stored, stored), jaccard(FOUND, FOUND))
    left = remove_dense(stored, 0.3)
    left = left.toarray() if sparse.issparse(left) else np.asarray(left)
    assert_allclose(left.astype(float), FOUND[:, 2:])


def test_entries_of_one_place_that_cancel_are_zero():
    cancel = sparse.coo_matrix(([1.0, -1.0, 1.0], ([0, 0, 1], [0, 0, 0])), shape=(8, 1))
    assert scores(columns({1}), cancel) == [1, 1, 1]


def test_one_dimension_is_a_single_column():
    column = pd.Series(TRUE[:, 0], index=list("abcdefgh"))
    for one in (column, TRUE[:, 0], TRUE[:, 0].tolist()):
        assert support_scores(one, FOUND) == support_scores(TRUE[:, :1], FOUND)
    assert remove_dense(column, 0.5).shape == (8, 1)
    assert remove_dense(column, 0.4).shape == (8, 0)
    with pytest.raises(InputError, match="different features, or another order"):
        support_scores(column, column[::-1])


SCORING = {
    "jaccard": jaccard,
    "support_scores": support_scores,
    "the truth of support_scores": lambda true, found: support_scores(found, true),
    "structure_scores": lambda true, found: structure_scores(true, {"a": true}, true, {"a": found}),
    "remove_dense": lambda true, found: remove_dense(found),
    "disentanglement": lambda true, found: disentanglement(true, found),
    "true factors of disentanglement": lambda true, found: disentanglement(found, true),
}


@pytest.fixture(params=SCORING.values(), ids=SCORING.keys())
def score(request):
    return request.param


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_missing_and_infinite_values_are_refused_with_all_places(score, value):
    true = pd.DataFrame(TRUE.astype(float), index=[f"g{j}" for j in range(8)], columns=["a", "b"])
    found = true.astype(object)
    found.loc["g4", "b"] = found.loc["g6", "a"] = value
    with pytest.raises(InputError, match="in row 'g4', column 'b'; row 'g6', column 'a': give"):
        score(true, found)
    with pytest.raises(InputError, match="in row 4, column 1; row 6, column 0: give"):
        score(true.to_numpy(), found.to_numpy())
    if value is not None:
        with pytest.raises(InputError, match="in row 4, column 1; row 6, column 0: give"):
            score(true.to_numpy(), sparse.csr_matrix(found.to_numpy().astype(float)))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.where(TRUE, "yes", "no"), "holds values of the type <U3"),
        (np.where(TRUE, "1", "0").astype(object), "'1' is no number in row 0, column 0"),
        (TRUE * 1j, "holds values of the type complex128"),
        (sparse.csr_matrix(TRUE * 1j), "holds values of the type complex128"),
        (np.ma.masked_array(TRUE, mask=TRUE), r"missing \(masked\) in row 0, column 0; row 1"),
        (np.zeros((8, 2, 2)), "has 3 dimensions"),
        ([[1, 0], [1]], "its rows differ in length"),
        (np.zeros((0, 2)), "has no rows"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(score, found, message):
    with pytest.raises(InputError, match=message):
        score(TRUE, found)


@pytest.mark.parametrize("max_share", [np.nan, -0.1, 25, "0.25", None])
def test_a_largest_share_that_is_none_is_refused(max_share):
    with pytest.raises(InputError, match="max_share must be a finite number"):
        remove_dense(TRUE, max_share)


def test_tables_to_pad_are_checked():
    shared = pd.DataFrame({"s": [1.0, 2.0]}, index=["a1", "a2"])
    with pytest.raises(InputError, match="the factors of the study 'a' are a ndarray"):
        pad_factors(shared, {"a": shared.to_numpy()})
    twice = shared.iloc[[0, 1, 0]]
    with pytest.raises(InputError, match="factors shared have 1 samples more than once: 'a1'"):
        pad_factors(twice, {"a": shared})
    with pytest.raises(InputError, match="of the study 'a' have 1 samples more than once: 'a1'"):
        pad_factors(shared, {"a": twice})


def test_specific_factors_are_padded_with_zeros():
    shared = pd.DataFrame({"s": [1.0, 2.0, 3.0]}, index=["a1", "b1", "a2"])
    specific = {
        "a": pd.DataFrame({"k": [5.0, 4.0]}, index=["a2", "a1"]),
        "b": pd.DataFrame({"k": [6.0]}, index=["b1"]),
        "none": pd.DataFrame(index=["b1"]),
    }
    padded = pad_factors(shared, specific)
    assert padded.index.tolist() == ["a1", "b1", "a2"]
    assert_allclose(padded, [[1, 4, 0], [2, 0, 6], [3, 5, 0]])
    with pytest.raises(InputError, match=r"1 samples of the study 'a' .* such as 'a2'"):
        pad_factors(shared.iloc[:2], specific)


@pytest.fixture(scope="module")
def signs():
    """All combinations of three signs: trees find each column's exact share of the variance."""
    return np.array(list(itertools.product([-1.0, 1.0], repeat=3)) * 4)


def test_disentanglement_by_hand(signs):
    a, b, irrelevant = signs.T
    true = np.column_stack([a, b, 2 * a + b])
    # Importances: a (1, 0, 4/5), b (0, 1, 1/5); of the sum, 3, a has 3/5 and b 2/5.
    entropy_a = -(5 / 9 * np.log(5 / 9) + 4 / 9 * np.log(4 / 9)) / np.log(3)
    entropy_b = -(5 / 6 * np.log(5 / 6) + 1 / 6 * np.log(1 / 6)) / np.log(3)
    by_hand = 3 / 5 * (1 - entropy_a) + 2 / 5 * (1 - entropy_b)
    assert_allclose(disentanglement(true, np.column_stack([a, b])), by_hand)
    constant = np.zeros_like(a)
    with_irrelevant = np.column_stack([irrelevant, b, constant, a])
    assert_allclose(disentanglement(true, with_irrelevant), by_hand)


def test_a_factor_that_matters_for_all_true_ones_alike_scores_0(signs):
    a = signs[:, :1]
    assert_allclose(disentanglement(a * [1, 2, -1], a), 0, atol=1e-12)


def test_permuted_flipped_and_doubled_factors_are_disentangled(signs):
    assert_allclose(disentanglement(signs, -signs[:, [2, 0, 1]]), 1)
    assert_allclose(disentanglement(signs, signs[:, [2, 0, 1, 1]]), 1)


def test_a_factor_that_no_tree_uses_does_not_count(signs):
    assert_allclose(disentanglement(signs[:, :2], signs), 1)


def test_a_single_true_factor_is_disentangled_from_any_estimate(signs):
    assert disentanglement(signs @ [[1], [2], [3]], signs) == 1


def test_no_true_or_estimated_factor_is_not_disentangled(signs):
    for nothing in (np.zeros((len(signs), 0)), np.ones_like(signs)):
        assert disentanglement(signs, nothing) == 0
        assert disentanglement(nothing, signs) == 0


def test_padded_factors_are_disentangled_unless_they_are_rotated():
    rng = np.random.default_rng(0)
    study = np.repeat(["a", "b"], 150)
    shared = pd.DataFrame(rng.standard_normal((300, 2)))
    own = pd.DataFrame(rng.standard_normal((300, 1)))
    true = pad_factors(shared, {name: own[study == name] for name in ("a", "b")})
    spare = rng.standard_normal((300, 2))
    good = np.hstack([true.to_numpy()[:, [3, 1, 0, 2]] ** 3, spare])
    rotated = true.to_numpy() @ [[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert disentanglement(true, good) > 0.97
    assert disentanglement(true, rotated) < 0.8
    assert disentanglement(true, rotated) == disentanglement(true, rotated)


def test_factors_of_other_samples_or_with_missing_values_are_an_error(signs):
    with pytest.raises(InputError, match="the truth has 32 samples but the estimate 31"):
        disentanglement(signs, signs[1:])
    missing = signs.copy()
    missing[5, 1] = np.nan
    with pytest.raises(InputError, match=r"not finite in row 5, column 1: .*pad_factors"):
        disentanglement(missing, signs)


@pytest.mark.parametrize("unit", [1e-300, 1e-8, 2.0**-20, 1e8, 1e300])
def test_disentanglement_does_not_depend_on_units(unit):
    rng = np.random.default_rng(0)
    true = rng.normal(size=(120, 2))
    found = true + 0.3 * rng.normal(size=true.shape)
    score = disentanglement(true, found)
    assert_allclose(disentanglement(true * unit, found), score, atol=0.01)
    assert_allclose(disentanglement(true, found * unit), score, atol=0.01)
    assert_allclose(disentanglement(true, found * [1, unit]), score, atol=0.01)
    assert_allclose(disentanglement(true + 1e6, found + 1e6), score, atol=0.01)


def test_columns_that_vary_by_rounding_alone_are_no_factors(signs):
    rounding = 0.3 + np.spacing(0.3) * signs[:, :1]
    assert disentanglement(signs, rounding) == 0
    assert disentanglement(np.hstack([signs, rounding]), signs) == disentanglement(signs, signs)

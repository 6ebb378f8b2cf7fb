import numpy as np
import pandas as pd
import pytest

from mssvae.errors import InputError
from mssvae.factors import enriched_shares, gene_sets


def test_gene_sets_are_above_the_threshold_strongest_first():
    masks = pd.DataFrame(
        {"shared_01": [0.6, -2.0, 0.5, 0.0], "MS_01": [0.0, 0.0, 0.1, -0.2]},
        index=["A", "B", "C", "D"],
    )
    assert gene_sets(masks, 0.5) == {"shared_01": ["B", "A"], "MS_01": []}


@pytest.mark.parametrize("storage", ["float", "object", "Sparse[float]", "Float64"])
def test_gene_sets_do_not_depend_on_how_masks_are_stored(storage):
    masks = pd.DataFrame({"a": [0.6, -2.0], "b": [0.0, 1.0]}, index=["A", "B"])
    assert gene_sets(masks.astype(storage)) == {"a": ["B", "A"], "b": ["B"]}


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_weights_that_are_missing_are_named(value):
    masks = pd.DataFrame({"a": [0.6, 0.0], "b": [0.0, value]}, index=["A", "B"])
    with pytest.raises(InputError, match="not finite in gene 'B', factor 'b'"):
        gene_sets(masks)


def test_masks_that_are_no_table_of_genes_and_factors_are_refused():
    masks = pd.DataFrame({"a": [0.6, 0.0], "b": [0.0, 1.0]}, index=["A", "B"])
    for wrong, message in (
        (masks.to_numpy(), "masks must be a pandas DataFrame, not a ndarray"),
        (masks.set_axis(["A", "A"]), "masks: 1 genes occur more than once: 'A'"),
        (masks.set_axis(["a", "a"], axis=1), "masks: 1 factors occur more than once: 'a'"),
        (masks.astype(str), "masks: '0.6' is no number in gene 'A', factor 'a'"),
    ):
        with pytest.raises(InputError, match=message):
            gene_sets(wrong)
    for threshold in (np.nan, -1, "0.5", None):
        with pytest.raises(InputError, match="threshold must be a finite number, at least 0"):
            gene_sets(masks, threshold)


@pytest.fixture
def tables():
    """The table of three factors, and the summary of their gene sets."""
    factors = pd.DataFrame(
        {
            "factor": ["shared_01", "a_01", "b_01"],
            "kind": ["shared", "specific", "specific"],
            "study": [None, "a", "b"],
            "n_genes": [20, 3, 0],
        }
    )
    return factors, pd.DataFrame({"set": factors["factor"], "n_enriched": [7, 1, 0]})


def test_the_order_of_the_summary_does_not_change_the_shares(tables):
    factors, summary = tables
    other = enriched_shares(factors, summary.sort_values("set"))
    pd.testing.assert_frame_equal(other, enriched_shares(factors, summary))


def test_a_summary_of_other_factors_is_refused(tables):
    factors, summary = tables
    gap = summary.astype({"n_enriched": float})
    gap.loc[1, "n_enriched"] = np.nan
    for wrong, message in (
        (summary[summary["n_enriched"] > 1], "no row of 2 factors: 'a_01', 'b_01'"),
        (summary.drop(columns="set"), "summary has no column 'set'"),
        (summary.iloc[[0, 1, 2, 0]], "summary: 1 sets occur more than once: 'shared_01'"),
        (gap, "1 factors have no n_enriched: 'a_01'"),
        (summary.astype(str), "n_enriched is of the type object"),
    ):
        with pytest.raises(InputError, match=message):
            enriched_shares(factors, wrong)
    with pytest.raises(InputError, match="factors has no column 'n_genes'"):
        enriched_shares(factors.drop(columns="n_genes"), summary)
    with pytest.raises(InputError, match="small must be a whole number"):
        enriched_shares(factors, summary, small=np.nan)


def test_shares_are_of_all_factors_and_of_gene_sets_that_are_not_empty():
    factors = pd.DataFrame(
        {
            "factor": ["shared_01", "shared_02", "shared_03", "a_01", "b_01", "b_02"],
            "kind": ["shared"] * 3 + ["specific"] * 3,
            "study": [None, None, None, "a", "b", "b"],
            "n_genes": [20, 4, 0, 0, 5, 3],
        }
    )
    summary = pd.DataFrame({"set": factors["factor"], "n_enriched": [7, 0, 0, 0, 1, 2]})
    shares = enriched_shares(factors, summary).set_index(["kind", "study"])
    assert shares.loc[("shared", "all")].tolist() == [3, 2, 2, 1, 1 / 3, 0.5]
    assert shares.loc[("specific", "all")].tolist() == [3, 2, 2, 2, 2 / 3, 1.0]
    assert shares.loc[("specific", "a"), "n_gene_sets"] == 0
    assert pd.isna(shares.loc[("specific", "a"), "share_of_gene_sets"])

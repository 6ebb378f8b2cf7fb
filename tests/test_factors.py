import pandas as pd

from mssvae.factors import enriched_shares, gene_sets


def test_gene_sets_are_above_the_threshold_strongest_first():
    masks = pd.DataFrame(
        {"shared_01": [0.6, -2.0, 0.5, 0.0], "MS_01": [0.0, 0.0, 0.1, -0.2]},
        index=["A", "B", "C", "D"],
    )
    assert gene_sets(masks, 0.5) == {"shared_01": ["B", "A"], "MS_01": []}


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

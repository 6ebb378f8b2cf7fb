"""Gene sets against three backgrounds, beside random sets and those of other models."""

import anndata
import numpy as np
import pandas as pd
import pytest

from mssvae import InputError
from mssvae.enrichment import background, compare_backgrounds, over_representation
from mssvae.enrichment._backgrounds import random_sets
from mssvae.evaluation import peer_gene_sets

GENES = pd.DataFrame({"gene": [f"g{j:03d}" for j in range(300)]})
GENES["mean"] = np.random.default_rng(1).gamma(1, 100, 300)
GENES["selected"] = np.arange(300) % 3 > 0
FITTED = GENES.loc[GENES["selected"], "gene"].tolist()
FACTORS = pd.DataFrame(
    {
        "factor": ["s1", "s2", "s3", "a1", "b1"],
        "kind": ["shared"] * 3 + ["specific"] * 2,
        "study": [None] * 3 + ["a", "b"],
    }
)


@pytest.fixture(scope="module")
def annotation():
    """Forty processes, a quarter of them of too few genes, and genes that are never expressed."""
    rng = np.random.default_rng(2)
    names = np.array([*GENES["gene"], *(f"other{j}" for j in range(100))])
    rows = [
        (f"P{k:02d}", f"process {k}", gene)
        for k in range(40)
        for gene in rng.choice(names, 5 if k % 4 == 0 else 30 + k, replace=False)
    ]
    return pd.DataFrame(rows, columns=["ID", "Description", "gene"])


@pytest.fixture(scope="module")
def sets(annotation):
    """Three of genes of processes, one of random genes and none."""
    of = {k: set(annotation.loc[annotation["ID"] == f"P{k:02d}", "gene"]) for k in (1, 2, 3)}
    inside = {k: [gene for gene in FITTED if gene in of[k]] for k in of}
    return {
        "s1": inside[1] + inside[2][:8],
        "s2": inside[2],
        "s3": [],
        "a1": inside[3] + FITTED[:9],
        "b1": FITTED[5:40:3],
    }


def distinct(sets):
    return {name: list(dict.fromkeys(genes)) for name, genes in sets.items()}


def test_backgrounds_are_those_of_their_names():
    assert background(GENES, "fitted") == FITTED
    assert background(GENES, "expressed") == GENES["gene"].tolist()
    assert background(GENES, "annotated") is None
    with pytest.raises(InputError, match="background is 'all': use one of fitted, expressed"):
        background(GENES, "all")


@pytest.mark.parametrize("adjust", ["BY", "none"])
def test_counts_are_those_of_the_engine_in_python(annotation, sets, adjust):
    sets = distinct(sets)
    table = compare_backgrounds(
        {"MSSVAE": (sets, FACTORS)}, GENES, annotation, random_draws=3, adjust=adjust, seed=3
    )
    rng = np.random.default_rng(3)
    expression = GENES[GENES["selected"]].set_index("gene")["mean"]
    draws = [random_sets(sets, expression, rng) for _ in range(3)]
    for (name, kind), rows in table.groupby(["background", "kind"]):
        ours, random = rows.set_index("method").T.items()
        universe = background(GENES, name)
        factors = FACTORS.loc[FACTORS["kind"] == kind, "factor"]

        def counted(sets, universe=universe, factors=factors):
            terms = over_representation(
                {factor: sets[factor] for factor in factors},
                universe,
                engine="python",
                adjust=adjust,
                annotation=annotation,
            )
            found = terms[terms["p.adjust"] < 0.05]
            alone = found[~found["ID"].duplicated(keep=False)]
            return [found["set"].nunique(), alone["set"].nunique(), found["ID"].nunique()]

        numbers = ["n_enriched", "n_own", "n_processes"]
        assert ours[1][numbers].tolist() == counted(sets)
        expected = np.array([counted(of_draw) for of_draw in draws])
        np.testing.assert_allclose(random[1][numbers].astype(float), expected.mean(0))
        low, high = np.quantile(expected, [0.025, 0.975], axis=0)
        for end, values in (("low", low), ("high", high)):
            columns = [f"{number}_{end}" for number in numbers]
            np.testing.assert_allclose(random[1][columns].astype(float), values)
    assert table.loc[table["method"] == "MSSVAE", "n_enriched"].sum() > 3
    assert table["n_sets"].tolist() == [2] * len(table)


def test_methods_may_have_other_factors_or_none_of_a_kind(annotation, sets):
    shared = FACTORS[FACTORS["kind"] == "shared"]
    one = pd.DataFrame({"factor": ["x"], "kind": ["specific"]})
    methods = {"MSSVAE": (distinct(sets), shared), "permuted": ({"x": FITTED[:20]}, one)}
    table = compare_backgrounds(methods, GENES, annotation, random_draws=2)
    rows = table[table["background"] == "fitted"]
    numbers = dict(zip(rows["kind"] + ", " + rows["method"], rows["n_sets"], strict=True))
    assert numbers == {
        "shared, MSSVAE": 2,
        "shared, random sets": 2,
        "shared, permuted": 0,
        "specific, MSSVAE": 0,
        "specific, random sets": 0,
        "specific, permuted": 1,
    }


def test_one_background_alone_has_the_numbers_that_it_has_among_all(annotation, sets):
    given = ({"MSSVAE": (distinct(sets), FACTORS)}, GENES, annotation, 3)
    alone = compare_backgrounds(*given, backgrounds=["expressed"])
    rows = compare_backgrounds(*given).query("background == 'expressed'").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, rows)
    with pytest.raises(InputError, match="background is 'all': use one of"):
        compare_backgrounds(*given, backgrounds=["all"])


def test_random_sets_have_the_sizes_and_the_expression_of_the_sets(sets):
    expression = GENES[GENES["selected"]].set_index("gene")["mean"]
    order = expression.sort_values().index
    deciles = {gene: place * 10 // len(order) for place, gene in enumerate(order)}
    sets = distinct(sets)
    drawn = random_sets(sets, expression, np.random.default_rng(0))
    again = random_sets(sets, expression, np.random.default_rng(0))
    assert drawn == again
    assert drawn != sets
    for name, genes in sets.items():
        assert len(set(drawn[name])) == len(genes)
        assert sorted(map(deciles.get, drawn[name])) == sorted(map(deciles.get, genes))
    with pytest.raises(InputError, match="gene set 'x' has genes without expression: 'g000'"):
        random_sets({"x": ["g000"]}, expression, np.random.default_rng(0))


def test_methods_without_a_set_of_each_factor_are_refused(annotation, sets):
    with pytest.raises(InputError, match="NMF has no gene set of 'a1'"):
        compare_backgrounds(
            {
                "MSSVAE": (distinct(sets), FACTORS),
                "NMF": ({"s1": [], "s2": [], "s3": [], "b1": []}, FACTORS),
            },
            GENES,
            annotation,
        )


def test_peers_find_planted_blocks_and_have_the_sizes_of_the_sets():
    rng = np.random.default_rng(4)
    n, genes = 120, [f"g{j}" for j in range(400)]
    log_mean = np.full((n, 400), 4.0)
    log_mean[:, :30] += rng.normal(size=(n, 1))
    log_mean[:, 30:45] += 0.8 * rng.normal(size=(n, 1))
    adata = anndata.AnnData(
        rng.poisson(np.exp(log_mean)).astype("float32"),
        pd.DataFrame({"group": ["a", "b"] * (n // 2)}, [f"s{i}" for i in range(n)]),
        pd.DataFrame(index=genes),
    )
    given = {"s1": genes[:15], "s2": genes[:30], "s3": [], "a1": genes[:30], "b1": []}
    for method, sets in peer_gene_sets(adata, given, FACTORS).items():
        assert {name: len(of) for name, of in sets.items()} == {
            name: len(of) for name, of in given.items()
        }
        if method == "factor analysis":
            assert set(sets["s2"]) == set(sets["a1"]) == set(genes[:30])
            assert set(sets["s1"]).isdisjoint(genes[:30])
        else:  # The strongest part is the mean of all genes.
            assert set(sets["s1"]) == set(genes[30:45])

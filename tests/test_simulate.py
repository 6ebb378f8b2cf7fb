import numpy as np
import pandas as pd
import pytest

from mssvae.errors import InputError
from mssvae.preprocess import quality_control
from mssvae.simulate import cohort

GROUPS = {"a": 20, "b": 30, "c": 150}


@pytest.fixture(scope="module")
def terms():
    """150 terms of 40 genes, each sharing 10 genes with the one before."""
    rows = [
        (f"GO:{t:07}", f"term {t}", f"ENSG{g:011}")
        for t in range(150)
        for g in range(30 * t, 30 * t + 40)
    ]
    return pd.DataFrame(rows, columns=["ID", "Description", "gene"])


def simulate(terms, seed=0, **options):
    settings = {"n_genes": 2000, "n_shared": 4, "n_specific": 2} | options
    return cohort(terms, GROUPS, seed=seed, **settings)


@pytest.fixture(scope="module")
def adata(terms):
    return simulate(terms)


def test_a_cohort_has_whole_counts_of_platelet_like_libraries(adata):
    assert adata.shape == (200, 2000)
    assert adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert (adata.X.data == np.round(adata.X.data)).all()
    assert adata.X.min() >= 0
    assert 13.5 < np.median(np.log(adata.X.sum(axis=1).A1)) < 14.5
    assert adata.obs["group"].value_counts(sort=False).to_dict() == GROUPS
    assert adata.var_names.is_unique
    assert adata.uns["source"]["kind"] == "synthetic"
    assert adata.uns["source"]["total_counts"] == adata.X.sum(dtype=np.float64)


def test_each_factor_loads_mostly_on_the_genes_of_its_term(adata, terms):
    assert sum(len(planted) for planted in adata.uns["truth"].values()) == 4 + 3 * 2
    for name, planted in adata.uns["truth"].items():
        for term, loading in zip(planted, adata.varm[f"true_{name}"].T, strict=True):
            loads = adata.var_names[loading != 0]
            members = loads.isin(terms["gene"][terms["ID"] == term])
            assert members.sum() >= 36
            assert members.mean() > 0.9


def test_planted_terms_hardly_overlap(adata, terms):
    planted = np.concatenate(list(adata.uns["truth"].values()))
    genes = terms["gene"][terms["ID"].isin(planted)]
    assert genes.duplicated().sum() <= 0.1 * len(genes)


def test_genes_of_a_specific_factor_vary_together_in_their_group_only(adata):
    log_cpm = np.log1p(adata.X.toarray() / adata.X.sum(axis=1).A1[:, None] * 1e6)
    # Genes on a linear path, expressed, and of no shared factor.
    linear = (np.arange(adata.n_vars) % 3 != 0) & (adata.varm["true_shared"] == 0).all(axis=1)
    linear &= log_cpm.mean(axis=0) > 3
    for group in GROUPS:
        own = (adata.obs["group"] == group).to_numpy()
        for k in range(2):
            genes = linear & (adata.varm[f"true_{group}"][:, k] != 0)
            factor = adata.obsm["true_specific"][own, k]
            score = log_cpm[:, genes].mean(axis=1)
            assert np.corrcoef(score[own], factor)[0, 1] > 0.8
            assert score[~own].std() < 0.5 * score[own].std()


def test_quality_control_has_samples_and_genes_to_remove(adata):
    filtered, steps, *_ = quality_control(adata)
    assert steps["samples_removed"].tolist() == [0, 2, 0, 0]
    assert (steps["genes_removed"] > 0).tolist() == [False, False, True, True]
    assert 1000 < filtered.n_vars < 1900
    planted = (adata.varm["true_shared"] != 0).any(axis=1)
    assert adata.var_names[planted].isin(filtered.var_names).mean() > 0.8


def test_equal_seeds_give_equal_cohorts_and_others_do_not(adata, terms):
    again, other = simulate(terms), simulate(terms, seed=1)
    assert (adata.X != again.X).nnz == 0
    assert adata.var_names.equals(again.var_names)
    assert adata.uns["truth"]["shared"].tolist() == again.uns["truth"]["shared"].tolist()
    assert (adata.X != other.X).nnz > 0


def test_a_cohort_survives_being_written(adata, tmp_path):
    import anndata as ad

    adata.write_h5ad(tmp_path / "cohort.h5ad")
    read = ad.read_h5ad(tmp_path / "cohort.h5ad")
    assert read.uns["truth"]["a"].tolist() == adata.uns["truth"]["a"].tolist()
    assert read.obs["group"].cat.categories.tolist() == list(GROUPS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_shared": 200}, r"only \d+ terms of 30 to 120 genes that hardly overlap, and 206"),
        ({"n_genes": 100}, "100 genes were asked for: the planted terms need"),
        ({"n_genes": 10**6}, "1000000 genes were asked for: .* GO gene sets have 4510"),
    ],
)
def test_too_few_terms_or_genes_is_an_error(terms, options, message):
    with pytest.raises(InputError, match=message):
        simulate(terms, **options)


def test_a_group_of_one_sample_is_an_error(terms):
    with pytest.raises(InputError, match="the group 'b' has 1 samples to simulate"):
        cohort(terms, {"a": 5, "b": 1})

import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mssvae import cohorts
from mssvae.errors import InputError
from mssvae.preprocess import composition, quality_control, select_genes

ROOT = Path(__file__).parents[1]


def cohort(counts, groups):
    return ad.AnnData(
        sparse.csr_matrix(np.asarray(counts), dtype=np.float32),
        obs=pd.DataFrame(
            {"group": pd.Categorical(groups, categories=list(dict.fromkeys(groups)))},
            index=[f"s{i + 1}" for i in range(len(counts))],
        ),
        var=pd.DataFrame(index=[f"g{j + 1}" for j in range(len(counts[0]))]),
    )


@pytest.fixture
def small():
    """Five samples, one of them small, and genes on both sides of each threshold."""
    # The libraries of the samples that stay are one million each: CPM and counts are equal.
    genes = np.array([
        # s1 to s5
        [30, 0, 0, 0, 5],    # g1: CPM > 1 in 1 of 4 samples: stays at a share of 25 %
        [24, 0, 0, 0, 9],    # g2: 24 counts in the samples left
        [10, 1, 14, 0, 0],   # g3: stays, with exactly 25 counts
        [1, 1, 1, 27, 0],    # g4: a CPM of exactly 1 does not count
        [0, 0, 0, 0, 80],    # g5: only in the small sample
    ]).T  # fmt: skip
    library = np.array([10**6] * 4 + [94])
    counts = np.c_[genes, library - genes.sum(axis=1)]
    return cohort(counts, ["a", "a", "b", "b", "b"])


def test_gse68086_keeps_284_samples_and_10081_genes(data_folder, tmp_path):
    adata = cohorts.from_geo(
        cohorts.read_registry(ROOT / "config" / "datasets.yaml", ["GSE68086"]),
        ROOT / "config" / "groups" / "platelet.tsv",
        data_folder=data_folder,
        cache=tmp_path,
    )
    filtered, steps, samples, genes = quality_control(adata)
    assert filtered.shape == (284, 10081)
    assert steps["samples_left"].tolist() == [285, 284, 284, 284]
    assert steps["genes_left"].tolist() == [57736, 57736, 15641, 10081]
    assert samples["sample"][~samples["kept"]].tolist() == ["VU258-CRC"]
    assert genes["kept"].sum() == 10081
    assert composition(adata, filtered).to_numpy().tolist() == [
        ["Healthy", 55, 55],
        ["Non Small Cell Lung Cancer", 60, 60],
        ["Glioblastoma", 40, 40],
        ["Other Cancer", 130, 129],
        ["Total", 285, 284],
    ]
    selected, _ = select_genes(filtered, 5000)
    assert selected.shape == (284, 5000)


def test_quality_control_says_what_each_step_removed_and_why(small):
    filtered, steps, samples, genes = quality_control(small, min_cpm_share=0.25)
    assert filtered.obs_names.tolist() == ["s1", "s2", "s3", "s4"]
    assert filtered.var_names.tolist() == ["g1", "g3", "g4", "g6"]
    assert steps["step"].tolist() == ["input", "library_size", "gene_counts", "gene_cpm"]
    assert steps["samples_removed"].tolist() == [0, 1, 0, 0]
    assert steps["genes_removed"].tolist() == [0, 0, 2, 0]
    assert steps["genes_left"].tolist() == [6, 6, 4, 4]
    assert samples["counts"].tolist()[:4] == [10**6] * 4
    assert samples["reason"].tolist() == ["", "", "", "", "library_size"]
    assert samples["genes_detected"].tolist() == [5, 3, 3, 2, 3]
    assert genes["counts"].tolist()[:5] == [30, 24, 25, 30, 0]
    assert genes["cpm_share"].tolist() == [0.25, 0.25, 0.5, 0.25, 0, 1]
    assert genes["reason"].tolist() == ["", "gene_counts", "", "", "gene_counts", ""]


def test_a_group_called_total_keeps_its_row_in_the_composition(small):
    small.obs["group"] = small.obs["group"].cat.rename_categories({"a": "Total"})
    assert composition(small, small[:4]).to_numpy().tolist() == [
        ["Total", 2, 2],
        ["b", 3, 2],
        ["Total", 5, 4],
    ]


def test_a_gene_needs_a_cpm_above_the_threshold_in_enough_samples(small):
    _, _, _, genes = quality_control(small, min_cpm_share=0.26)
    assert genes["gene"][genes["reason"] == "gene_cpm"].tolist() == ["g1", "g4"]


def test_a_sample_with_exactly_the_threshold_stays():
    adata = cohort([[100], [100], [99], [100]], ["a"] * 4)
    filtered, *_ = quality_control(adata, min_log_library=np.log(100) - 1e-12)
    assert filtered.obs_names.tolist() == ["s1", "s2", "s4"]


def test_removing_all_samples_is_an_error_that_names_the_largest(small):
    with pytest.raises(
        InputError, match=r"removes all 5 samples: the largest, 's1', has 1,000,000"
    ):
        quality_control(small, min_log_library=20)


def test_a_group_left_with_one_sample_is_an_error_that_names_it(small):
    adata = small[["s1", "s2", "s3", "s5"]].copy()
    with pytest.raises(InputError, match="leaves 1 of the 2 samples of the group 'b'"):
        quality_control(adata)


def test_removing_all_genes_is_an_error():
    adata = cohort(np.full((4, 10), 10**5), ["a"] * 4)
    with pytest.raises(InputError, match="quality control leaves no gene"):
        quality_control(adata, min_gene_counts=10**6)


@pytest.fixture
def overdispersed():
    rng = np.random.default_rng(0)
    mean = rng.lognormal(3, 1, 60) * rng.lognormal(0, 0.3, (40, 1))
    shape = rng.uniform(0.2, 20, 60)
    return cohort(rng.poisson(rng.gamma(shape, mean / shape)) + 1, ["a", "b"] * 20)


def test_genes_are_ranked_by_the_variance_of_their_pearson_residuals(overdispersed):
    counts = overdispersed.X.toarray().astype(float)
    # Lause et al. (2021), equations 3 and 4, with theta = 100 and clipping at sqrt(n).
    mu = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    residuals = (counts - mu) / np.sqrt(mu + mu**2 / 100)
    limit = np.sqrt(len(counts))
    variance = residuals.clip(-limit, limit).var(axis=0)

    selected, genes = select_genes(overdispersed, 15)
    np.testing.assert_allclose(genes["residual_variance"], variance, rtol=1e-12)
    order = np.argsort(-variance)
    assert genes["gene"].to_numpy()[np.argsort(genes["rank"])].tolist() == [
        f"g{j + 1}" for j in order
    ]
    assert selected.var_names.tolist() == [f"g{j + 1}" for j in np.sort(order[:15])]
    assert genes["selected"].tolist() == (genes["rank"] <= 15).tolist()
    np.testing.assert_allclose(genes["mean"], counts.mean(axis=0))


def test_equal_genes_rank_in_their_order(overdispersed):
    counts = np.tile(overdispersed.X.toarray()[:, :1], 4)
    counts = np.c_[counts, overdispersed.X.toarray()[:, 1:3]]
    _, genes = select_genes(cohort(counts, ["a", "b"] * 20), 2)
    ranks = genes["rank"][:4].to_numpy()
    assert (np.diff(ranks) == 1).all()


def test_asking_for_more_genes_than_there_are_is_an_error(overdispersed):
    with pytest.raises(InputError, match="61 genes were asked for but only 60 are left"):
        select_genes(overdispersed, 61)


def test_the_scripts_write_equal_tables_twice(small, tmp_path, monkeypatch):
    monkeypatch.setattr("mssvae.logs.log_to", lambda path: None)
    small.write_h5ad(tmp_path / "counts.h5ad")

    def run(script, inputs, outputs, **params):
        snakemake = SimpleNamespace(
            input=SimpleNamespace(**inputs),
            output=SimpleNamespace(**outputs),
            params=SimpleNamespace(**params),
            log=[tmp_path / "log"],
        )
        runpy.run_path(str(ROOT / "scripts" / script), init_globals={"snakemake": snakemake})

    tables = []
    for folder in (tmp_path / "1", tmp_path / "2"):
        names = ("steps", "samples", "genes", "composition")
        run(
            "qc.py",
            {"counts": tmp_path / "counts.h5ad"},
            {name: folder / f"{name}.tsv" for name in names} | {"filtered": folder / "f.h5ad"},
            min_log_library=12.5,
            min_gene_counts=25,
            min_cpm=1.0,
            min_cpm_share=0.2,
        )
        run(
            "select_genes.py",
            {"filtered": folder / "f.h5ad"},
            {"selected": folder / "s.h5ad", "genes": folder / "selected.tsv"},
            n_genes=3,
        )
        assert ad.read_h5ad(folder / "s.h5ad").shape == (4, 3)
        tables.append({path.name: path.read_bytes() for path in folder.glob("*.tsv")})
    assert set(tables[0]) == {
        "steps.tsv", "samples.tsv", "genes.tsv", "composition.tsv", "selected.tsv"
    }  # fmt: skip
    assert tables[0] == tables[1]

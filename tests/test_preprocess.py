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


def with_x(adata, x):
    """Return the AnnData with another X of the same shape."""
    other = adata.copy()
    other.X = x
    return other


def in_two_entries(x):
    """Return a CSR matrix with two entries for each place, whose sum is the count."""
    half = np.floor(x.data / 2)
    data = np.column_stack([half, x.data - half]).ravel()
    return sparse.csr_matrix((data, np.repeat(x.indices, 2), x.indptr * 2), shape=x.shape)


def with_zeros(x):
    """Return a CSR matrix that stores its zeros, in falling order of the genes."""
    n, g = x.shape
    indices = np.tile(np.arange(g)[::-1], n)
    return sparse.csr_matrix(
        (x.toarray()[:, ::-1].ravel(), indices, np.arange(0, n * g + 1, g)), shape=x.shape
    )


STORAGE = {
    "array": lambda x: x.toarray(),
    "array in the order of columns": lambda x: np.asfortranarray(x.toarray()),
    "objects": lambda x: x.toarray().astype(object),
    "64-bit integers": lambda x: x.toarray().astype(np.int64),
    "masked array without a masked value": lambda x: np.ma.masked_array(x.toarray(), mask=False),
    "csc_matrix": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "integers in csr_matrix": lambda x: x.astype(np.int32),
    "two entries for a place": in_two_entries,
    "zeros that are stored, unsorted": with_zeros,
}


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE.keys())
def test_results_do_not_depend_on_the_storage_of_counts(small, storage):
    stored = with_x(small, storage(small.X))
    before = stored.copy()
    for function, settings in (
        (quality_control, {"min_cpm_share": 0.25}),
        (select_genes, {"n_genes": 3}),
    ):
        expected, result = function(small, **settings), function(stored, **settings)
        assert result[0].var_names.equals(expected[0].var_names)
        assert result[0].obs_names.equals(expected[0].obs_names)
        for table, other in zip(result[1:], expected[1:], strict=True):
            pd.testing.assert_frame_equal(table, other)
    assert type(stored.X) is type(before.X)
    if sparse.issparse(before.X):
        assert stored.X.data.tolist() == before.X.data.tolist()
        assert stored.X.indices.tolist() == before.X.indices.tolist()


def test_a_view_is_as_good_as_a_copy(small):
    view = small[:4]
    for table, other in zip(
        quality_control(view)[1:], quality_control(view.copy())[1:], strict=True
    ):
        pd.testing.assert_frame_equal(table, other)
    assert view.is_view


@pytest.fixture(params=["quality_control", "select_genes"])
def read(request):
    """A function that reads counts."""
    if request.param == "quality_control":
        return quality_control
    return lambda adata: select_genes(adata, 3)


def change(adata, value, *places, dtype=float):
    counts = adata.X.toarray().astype(dtype)
    for place in places:
        counts[place] = value
    return counts


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"count of gene 'g3' in sample 's2' is not a number \(nan\)"),
        (np.inf, "gene 'g3' in sample 's2' is infinite"),
        (-1, "gene 'g3' in sample 's2' is negative"),
        (0.5, "gene 'g3' in sample 's2' is not whole"),
    ],
)
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_values_that_are_no_counts_are_told_with_their_places(read, small, value, message, store):
    adata = with_x(small, store(change(small, value, (1, 2), (3, 0))))
    with pytest.raises(
        InputError, match=rf"{message}.*; so are 1 more, such as gene 'g1' in sample 's4'"
    ):
        read(adata)


def test_values_that_are_no_numbers_are_told_with_their_places(read, small):
    for value, what in (("n.d.", "'n.d.' is no number"), (1j, "1j is no number"), (None, "nan")):
        adata = with_x(small, change(small, value, (1, 2), dtype=object))
        with pytest.raises(InputError) as error:
            read(adata)
        assert what in str(error.value)
        assert "gene 'g3' in sample 's2'" in str(error.value)
    with pytest.raises(InputError, match="complex128"):
        read(with_x(small, small.X.toarray().astype(complex)))
    with pytest.raises(InputError, match="True and False"):
        read(with_x(small, small.X.toarray() > 0))


def test_masked_counts_are_missing(read, small):
    masked = np.ma.masked_array(small.X.toarray(), mask=False)
    masked[1, 2] = np.ma.masked
    adata = with_x(small, masked)
    for given in (adata, adata[:4]):
        with pytest.raises(InputError, match=r"missing.*gene 'g3' in sample 's2'"):
            read(given)


def test_data_without_counts_to_read_are_refused(read, small, tmp_path):
    small.write_h5ad(tmp_path / "small.h5ad")
    backed = ad.read_h5ad(tmp_path / "small.h5ad", backed="r")
    with pytest.raises(InputError, match=r"small\.h5ad: read it with adata\.to_memory\(\)"):
        read(backed)
    backed.file.close()
    with pytest.raises(InputError, match=r"adata\.X is empty"):
        read(ad.AnnData(obs=small.obs, var=small.var))
    with pytest.raises(InputError, match="0 samples and 6 genes"):
        read(small[:0])
    with pytest.raises(InputError, match="5 samples and 0 genes"):
        read(small[:, :0])
    with pytest.raises(InputError, match="must be an AnnData, not a DataFrame"):
        read(small.to_df())


def test_names_that_repeat_are_refused(read, small):
    small.var_names = ["g1", "g1", "g3", "g4", "g4", "g6"]
    with pytest.raises(InputError, match=r"2 gene names .* more than once, such as 'g1', 'g4'"):
        read(small)
    small.var_names = [f"g{j}" for j in range(6)]
    small.obs_names = ["s1", "s2", "s3", "s1", "s5"]
    with pytest.raises(InputError, match="sample names occur more than once, such as 's1'"):
        read(small)


def test_groups_without_samples_do_not_count(small):
    planned = small.copy()
    planned.obs["group"] = planned.obs["group"].cat.add_categories("relapse")
    for table, other in zip(quality_control(planned)[1:], quality_control(small)[1:], strict=True):
        assert table.astype(str).equals(other.astype(str))
    kept = quality_control(planned)[0]
    assert composition(planned, kept).equals(composition(small, kept))
    texts = small.copy()
    texts.obs["group"] = texts.obs["group"].astype(str)
    assert quality_control(texts)[1].equals(quality_control(small)[1])


def test_all_groups_left_with_one_sample_are_named(small):
    small.obs["group"] = ["a", "b", "c", "c", "d"]
    with pytest.raises(InputError, match=r"group 'a', 1 of .* group 'b', 0 of the 1 .* group 'd'"):
        quality_control(small)


def test_samples_without_a_group_are_refused(small):
    missing = small.copy()
    missing.obs["group"] = ["a", None, "b", None, "a"]
    for function in (quality_control, lambda adata: composition(small, adata)):
        with pytest.raises(InputError, match=r"2 samples have no group .* 's2', 's4'"):
            function(missing)
        with pytest.raises(InputError, match=r"adata\.obs has no column 'group'"):
            function(ad.AnnData(small.X, var=small.var))


def test_a_composition_of_other_groups_is_refused(small):
    with pytest.raises(InputError, match=r"1 groups have samples after .* 'b'"):
        composition(small[:2], small)


@pytest.mark.parametrize(
    ("threshold", "values"),
    [
        ("min_log_library", [np.nan, np.inf, "12", None, 1000, True]),
        ("min_gene_counts", [np.nan, -1, "25", [25]]),
        ("min_cpm", [np.nan, -0.1, "1"]),
        ("min_cpm_share", [np.nan, -0.1, 20, "0.2"]),
    ],
)
def test_thresholds_out_of_range_are_refused_by_name(small, threshold, values):
    for value in values:
        with pytest.raises(InputError, match=f"{threshold} must be a finite number"):
            quality_control(small, **{threshold: value})
    assert quality_control(small, **{threshold: np.float64(0)})[0].n_obs >= 4


@pytest.mark.parametrize("n_genes", [0, -1, 2.5, 3.0, "3", None, True, np.nan, [3]])
def test_a_number_of_genes_that_is_none_is_refused_by_name(small, n_genes):
    with pytest.raises(InputError, match="n_genes must be a whole number, at least 1"):
        select_genes(small, n_genes)
    assert select_genes(small, np.int64(3))[0].n_vars == 3


def test_samples_without_counts_are_all_named(overdispersed):
    counts = overdispersed.X.toarray()
    counts[5:17] = 0
    empty = cohort(counts, ["a", "b"] * 20)
    with pytest.raises(InputError, match=r"12 samples, 's6', .*, 's15' and 2 more, have no counts"):
        select_genes(empty, 10)
    counts[6:17] = 1
    with pytest.raises(InputError, match="sample 's6' has no counts"):
        select_genes(cohort(counts, ["a", "b"] * 20), 10)


def test_genes_without_counts_are_selected_last_and_told(small, caplog):
    counts = small.X.toarray()[:4]
    _, genes = select_genes(cohort(counts, ["a"] * 4), 5)
    assert genes["rank"][4] == 6
    assert not caplog.records
    select_genes(cohort(counts, ["a"] * 4), 6)
    assert "1 selected genes have no counts: 'g5'" in caplog.text


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

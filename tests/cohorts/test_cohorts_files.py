"""Cohorts of one's own files: count matrices of every kind and sample sheets."""

import gzip
import subprocess

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from cohort_files import COUNTS, SHEET, text_file
from scipy import sparse
from scipy.io import mmwrite

from mssvae import cohorts
from mssvae.data.files import sha256
from mssvae.errors import InputError

# ---- Counts ----


@pytest.mark.parametrize("name", ["counts.tsv", "counts.tsv.gz", "counts.csv", "counts.csv.gz"])
def test_counts_are_read_from_text(tmp_path, name):
    content = COUNTS.replace("\t", ",") if ".csv" in name else COUNTS
    adata = cohorts.read_counts(text_file(tmp_path / name, content))
    assert adata.to_df().loc["s4"].to_dict() == {"ENSG1": 4, "ENSG2": 6, "ENSG3": 0}


@pytest.mark.parametrize("dense", [True, False])
def test_counts_are_read_from_h5ad(tmp_path, dense):
    expected = cohorts.read_counts(text_file(tmp_path / "counts.tsv", COUNTS))
    stored = expected.copy()
    stored.X = stored.X.toarray() if dense else stored.X.tocsc()
    stored.write_h5ad(tmp_path / "counts.h5ad")
    read = cohorts.read_counts(tmp_path / "counts.h5ad")
    pd.testing.assert_frame_equal(read.to_df(), expected.to_df())
    assert read.X.format == "csr"


BAD_NUMBERS = [
    ("-5", "negative"),
    ("0.5", "not whole"),
    ("NaN", "not a number"),
    ("inf", "infinite"),
]


@pytest.mark.parametrize(
    ("cell", "what"), [*BAD_NUMBERS, ("", "not a number"), ("many", "not a number")]
)
def test_a_bad_count_is_an_error_that_names_file_gene_and_sample(tmp_path, cell, what):
    path = text_file(tmp_path / "counts.tsv", COUNTS.replace("\t5\t", f"\t{cell}\t"))
    with pytest.raises(
        InputError, match=rf"counts\.tsv: the count of gene 'ENSG2' in sample 's2' is {what}"
    ):
        cohorts.read_counts(path)


@pytest.mark.parametrize(("number", "what"), BAD_NUMBERS)
def test_a_bad_count_in_h5ad_is_an_error_that_names_gene_and_sample(tmp_path, number, what):
    matrix = np.array([[1.0, 0.0], [2.0, float(number)]])
    names = {"obs": pd.DataFrame(index=["s1", "s2"]), "var": pd.DataFrame(index=["g1", "g2"])}
    ad.AnnData(matrix, **names).write_h5ad(tmp_path / "counts.h5ad")
    with pytest.raises(
        InputError, match=rf"counts\.h5ad: the count of gene 'g2' in sample 's2' is {what}"
    ):
        cohorts.read_counts(tmp_path / "counts.h5ad")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("s2", "s1"), "1 sample names occur more than once, such as 's1'"),
        (("ENSG3", "ENSG1"), "1 gene names occur more than once, such as 'ENSG1'"),
        (("\ts1", ""), "the first line names 3 samples but the next has 4 counts"),
        (("\t6\n", "\t6\t9\n"), "not a table of genes x samples"),
        ((COUNTS, ""), "not a table of genes x samples"),
    ],
)
def test_a_bad_table_of_counts_is_an_error_that_names_the_file(tmp_path, change, message):
    path = text_file(tmp_path / "counts.tsv", COUNTS.replace(*change))
    with pytest.raises(InputError, match=rf"counts\.tsv: {message}"):
        cohorts.read_counts(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("counts.tsv", COUNTS.replace("s1", "é").encode("latin-1"), "the text is not UTF-8"),
        ("counts.tsv", COUNTS.replace("ENSG3", "é").encode("latin-1"), "the text is not UTF-8"),
        ("counts.tsv.gz", COUNTS.encode(), "truncated, damaged or not compressed"),
        ("counts.tsv.gz", gzip.compress(COUNTS.encode())[:-12], "the gzip file is truncated"),
        ("counts.tsv.gz", b"", "the gzip file is empty"),
    ],
    ids=["latin-1 sample", "latin-1 gene", "no gzip", "truncated", "empty"],
)
def test_counts_that_are_no_text_are_an_error_that_names_the_file(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: .*{message}"):
        cohorts.read_counts(tmp_path / name)


@pytest.mark.parametrize("name", ["counts.tsv", "counts.h5ad", "matrix.mtx", "counts.rds"])
@pytest.mark.parametrize("read", [cohorts.read_counts, cohorts.read_sample_sheet])
def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path, read, name):
    with pytest.raises(InputError, match=f"{name} does not exist: correct the path"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name} is a folder, not a file"):
        read(tmp_path / name)


def test_an_unknown_kind_of_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"counts\.xlsx: unknown kind of file"):
        cohorts.read_counts(text_file(tmp_path / "counts.xlsx", COUNTS))


def test_a_damaged_h5ad_is_an_error_that_names_the_file(tmp_path):
    path = text_file(tmp_path / "counts.h5ad", "text")
    with pytest.raises(InputError, match=r"counts\.h5ad: not a readable"):
        cohorts.read_counts(path)


@pytest.mark.parametrize("part", ["matrix", "X", "obs"])
def test_hdf5_that_is_not_anndata_is_an_error_that_names_the_file(tmp_path, part):
    with h5py.File(tmp_path / "counts.h5ad", "w") as file:
        file[part] = np.ones((2, 2))
    with pytest.raises(InputError, match=r"counts\.h5ad: not a readable .* AnnData\.write_h5ad"):
        cohorts.read_counts(tmp_path / "counts.h5ad")


def test_h5ad_without_x_is_an_error_that_names_the_file(tmp_path):
    names = {"obs": pd.DataFrame(index=["s1", "s2"]), "var": pd.DataFrame(index=["g1", "g2"])}
    ad.AnnData(**names).write_h5ad(tmp_path / "counts.h5ad")
    with pytest.raises(InputError, match=r"counts\.h5ad: there is no X: put the counts there"):
        cohorts.read_counts(tmp_path / "counts.h5ad")


@pytest.fixture
def mtx(tmp_path):
    """The counts as Matrix Market, with the names of genes and samples beside it."""
    expected = cohorts.read_counts(text_file(tmp_path / "counts.tsv", COUNTS))
    mmwrite(tmp_path / "matrix.mtx", sparse.coo_matrix(expected.X.T.astype(int)))
    text_file(tmp_path / "genes.tsv", "ENSG1\tTSPAN6\nENSG2\tTNMD\nENSG3\tDPM1\n")
    text_file(tmp_path / "barcodes.tsv", "s1\ns2\ns3\ns4\n")
    return tmp_path / "matrix.mtx"


@pytest.mark.parametrize("compressed", [False, True])
def test_counts_are_read_from_matrix_market(mtx, compressed):
    if compressed:
        for path, new in [(mtx, mtx.name), (mtx.with_name("genes.tsv"), "features.tsv")]:
            text_file(path.with_name(f"{new}.gz"), path.read_text())
            path.unlink()
        mtx = mtx.with_name("matrix.mtx.gz")
    adata = cohorts.read_counts(mtx)
    assert adata.X.format == "csr"
    pd.testing.assert_frame_equal(
        adata.to_df(), cohorts.read_counts(mtx.with_name("counts.tsv")).to_df()
    )


HEADER = "%%MatrixMarket matrix coordinate real general\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("matrix.mtx", "counts", "matrix.mtx: not a Matrix Market file"),
        ("matrix.mtx", "", "matrix.mtx: not a Matrix Market file"),
        ("matrix.mtx", f"{HEADER}3 4 1\n2 1 -1\n", "gene 'ENSG2' in sample 's1' is negative"),
        ("genes.tsv", "ENSG1\nENSG2\n", "3 rows and 4 columns, .* name 2 genes and 4 samples"),
        ("genes.tsv", "", "genes.tsv: not a table of names"),
        ("barcodes.tsv", "s1\ns2\ns2\ns4\n", "sample names occur more than once, such as 's2'"),
        ("genes.tsv", None, "no genes.tsv or genes.tsv.gz or features.tsv or .* the names of the"),
    ],
)
def test_a_wrong_matrix_market_file_is_an_error_that_names_it(mtx, name, content, message):
    if content is None:
        mtx.with_name(name).unlink()
    else:
        text_file(mtx.with_name(name), content)
    with pytest.raises(InputError, match=message):
        cohorts.read_counts(mtx)


def run_r(folder, code):
    subprocess.run(["Rscript", "-e", code], cwd=folder, check=True)


R_COUNTS = """
    counts <- matrix(c(1L, 0L, 7L, 2L, 5L, 0L, 3L, 0L, 8L, 4L, 6L, 0L), nrow = 3,
                     dimnames = list(paste0("ENSG", 1:3), paste0("s", 1:4)))
"""


@pytest.mark.parametrize(
    ("code", "r_object"),
    [
        ('save(counts, file = "counts.RData")', None),
        ('storage.mode(counts) <- "double"; save(counts, file = "counts.RData")', None),
        ('counts <- as.data.frame(counts); save(counts, file = "counts.RData")', None),
        ('other <- 1; save(counts, other, file = "counts.RData")', "counts"),
        (
            # As edgeR defines it.
            'setClass("DGEList", representation("list")); '
            'dge <- new("DGEList", list(counts = counts / 3, raw.counts = counts, '
            'samples = data.frame(group = factor(c("a", "b", "a", "b"))))); '
            'save(dge, file = "counts.RData")',
            "dge$raw.counts",
        ),
    ],
    ids=["integer", "double", "data frame", "two objects", "DGEList"],
)
def test_counts_are_read_from_rdata(tmp_path, code, r_object):
    run_r(tmp_path, R_COUNTS + code)
    adata = cohorts.read_counts(tmp_path / "counts.RData", r_object)
    expected = cohorts.read_counts(text_file(tmp_path / "counts.tsv", COUNTS))
    pd.testing.assert_frame_equal(adata.to_df(), expected.to_df())


@pytest.mark.parametrize(
    ("code", "r_object", "message"),
    [
        ("other <- 1", None, "name the counts among counts, other"),
        ("other <- list(a = 1)", "dge$counts", "'dge.counts' is no .* among counts, other.a"),
        ("other <- unname(counts)", "other", "'other' is no matrix .* with row and column names"),
        ("other <- counts; other[2, 2] <- NA", "other", "gene 'ENSG2' in sample 's2' is not a num"),
        ('other <- data.frame(s1 = "x", row.names = "g1")', "other", "gene 'g1' in sample 's1' is"),
    ],
    ids=["two objects", "no such object", "no names", "NA", "text"],
)
def test_wrong_counts_in_rdata_are_an_error_that_names_them(tmp_path, code, r_object, message):
    run_r(tmp_path, f'{R_COUNTS} {code}; save(counts, other, file = "counts.RData")')
    with pytest.raises(InputError, match=rf"counts\.RData: .*{message}"):
        cohorts.read_counts(tmp_path / "counts.RData", r_object)


def test_a_damaged_rdata_file_is_an_error_that_names_it(tmp_path):
    run_r(tmp_path, R_COUNTS + 'save(counts, file = "counts.RData")')
    path = tmp_path / "counts.RData"
    for content in (b"text", path.read_bytes()[:-20]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"counts\.RData: not a readable \.RData file"):
            cohorts.read_counts(path)


# ---- Own files ----


def own_cohort(tmp_path, sheet=SHEET, column="disease", groups=None):
    return cohorts.from_files(
        text_file(tmp_path / "counts.tsv", COUNTS),
        text_file(tmp_path / "samples.tsv", sheet),
        column,
        groups,
    )


def test_own_files_make_a_cohort(tmp_path, caplog):
    adata = own_cohort(tmp_path, groups=["well", "sick"])
    assert adata.obs["group"].tolist() == ["sick", "sick", "well", "well"]
    assert adata.obs["group"].cat.categories.tolist() == ["well", "sick"]
    assert adata.uns["source"]["kind"] == "files"
    assert adata.uns["source"]["files"]["files"]["counts"] == {
        "name": str(tmp_path / "counts.tsv"),
        "sha256": sha256(tmp_path / "counts.tsv"),
    }
    assert "1 samples have no counts, such as s9" in caplog.text


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (("s1\t60\tsick", "s1\t60\t"), {}, "1 samples have no group .s1."),
        (("s1\t60\tsick", "s1\t60\tother"), {}, "the group 'other' has one sample, 's1'"),
        (("s1\t", "s2\t"), {}, "sample names occur more than once, such as 's2'"),
        (("s1\t", "s0\t"), {}, "count matrix are not described, such as 's1'"),
        (("", ""), {"column": "diagnosis"}, "no 'diagnosis' .* one of age, disease"),
        (("", ""), {"groups": ["well", "sick", "cured"]}, "the group 'cured' of the config is not"),
        (("", ""), {"groups": ["well"]}, "the group 'sick' .s1, s2. is not among the groups"),
    ],
)
def test_a_wrong_sample_sheet_is_an_error_that_names_it(tmp_path, change, arguments, message):
    with pytest.raises(InputError, match=rf"samples\.tsv: .*{message}"):
        own_cohort(tmp_path, SHEET.replace(*change), **arguments)


@pytest.mark.parametrize("cell", ["  ", "NA", "n/a", " NaN", "null", "NULL "])
def test_a_cell_that_stands_for_no_group_is_an_error_that_names_the_sample(tmp_path, cell):
    sheet = SHEET.replace("sick", cell)
    with pytest.raises(InputError, match=r"samples\.tsv: 2 samples have no group \(s1, s2\)"):
        own_cohort(tmp_path, sheet)


def test_blanks_around_a_group_do_not_count_and_none_is_a_group(tmp_path):
    sheet = SHEET.replace("s1\t60\tsick", "s1\t60\t sick ").replace("well", "None")
    adata = own_cohort(tmp_path, sheet)
    assert adata.obs["group"].tolist() == ["sick", "sick", "None", "None"]


def test_a_short_line_of_the_sample_sheet_has_no_group(tmp_path):
    with pytest.raises(InputError, match=r"samples\.tsv: 1 samples have no group \(s1\)"):
        own_cohort(tmp_path, SHEET.replace("s1\t60\tsick", "s1\t60"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("samples.tsv", SHEET.replace("sick", "fièvre").encode("latin-1"), "the text is not UTF-8"),
        ("samples.tsv.gz", SHEET.encode(), "truncated, damaged or not compressed"),
        ("samples.tsv", b"", "not a table of samples"),
    ],
    ids=["latin-1", "no gzip", "empty"],
)
def test_a_sample_sheet_that_is_no_text_is_an_error_that_names_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: .*{message}"):
        cohorts.read_sample_sheet(tmp_path / name)


def test_names_that_look_like_numbers_stay_text(tmp_path):
    counts = text_file(tmp_path / "c.tsv", "\t1\t02\t3\t4\n7\t1\t2\t3\t4\n08\t5\t6\t7\t8\n")
    sheet = text_file(tmp_path / "s.csv", "id,stage\n4,2\n3,2\n02,1\n1,1\n")
    cohorts.from_files(counts, sheet, "stage", ["2", "1"]).write_h5ad(tmp_path / "c.h5ad")
    adata = ad.read_h5ad(tmp_path / "c.h5ad")
    assert adata.obs_names.tolist() == ["1", "02", "3", "4"]
    assert adata.var_names.tolist() == ["7", "08"]
    assert adata.obs["group"].tolist() == ["1", "1", "2", "2"]
    assert adata.obs["group"].cat.categories.tolist() == ["2", "1"]

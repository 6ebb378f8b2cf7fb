"""Count matrices in Matrix Market files with their names, in .h5ad and in files of R."""

import gzip
import subprocess

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from cohort_files import COUNTS, text_file
from scipy import sparse

from mssvae import cohorts
from mssvae.errors import InputError

GENES = ["ENSG1", "ENSG2", "ENSG3"]
FEATURES = "".join(f"{gene}\tSYMBOL{i}\tGene Expression\n" for i, gene in enumerate(GENES))
BARCODES = "s1\ns2\ns3\ns4\n"
ENTRIES = "1 1 1\n1 2 2\n1 3 3\n1 4 4\n2 2 5\n2 4 6\n3 1 7\n3 3 8\n"
HEADER = "%%MatrixMarket matrix coordinate integer general\n"
MATRIX = f"{HEADER}% of mine\n\n3 4 8\n{ENTRIES}"


@pytest.fixture
def expected(tmp_path):
    """The counts of a plain table."""
    return cohorts.read_counts(text_file(tmp_path / "expected.tsv", COUNTS)).to_df()


def read(folder, matrix=MATRIX, features=FEATURES, barcodes=BARCODES, prefix="", **others):
    """Read a matrix with these contents of the files beside it."""
    files = {f"{prefix}features.tsv": features, f"{prefix}barcodes.tsv": barcodes}
    files |= {name.replace("__", "."): content for name, content in others.items()}
    for name, content in files.items():
        text_file(folder / name, content)
    return cohorts.read_counts(text_file(folder / f"{prefix}matrix.mtx", matrix))


# ---- Matrix Market ----


@pytest.mark.parametrize(
    "matrix",
    [
        MATRIX,
        MATRIX.replace("integer", "real").replace(" 8\n3", ".0 8\n3"),
        MATRIX.replace("\n", "\r\n"),
        MATRIX.replace("integer", "unsigned-integer"),
        MATRIX.replace("1 1 1\n", "\n 1\t1  1 \n"),
        "%%MatrixMarket matrix array real general\n3 4\n1\n0\n7\n2\n5\n0\n3\n0\n8\n4\n6\n0\n",
    ],
    ids=["integer", "real", "line ends", "unsigned", "blanks", "array"],
)
def test_matrix_market_files_of_counts_are_read(tmp_path, expected, matrix):
    pd.testing.assert_frame_equal(read(tmp_path, matrix).to_df(), expected)


def test_a_transposed_matrix_is_read_and_told(tmp_path, expected, caplog):
    lines = [line.split() for line in ENTRIES.splitlines()]
    entries = "".join(f"{column} {row} {count}\n" for row, column, count in lines)
    matrix = f"{HEADER}4 3 8\n{entries}"
    pd.testing.assert_frame_equal(read(tmp_path, matrix).to_df(), expected)
    assert "rows are samples and columns are genes" in caplog.text


@pytest.mark.parametrize(
    "kind",
    [
        "coordinate pattern general",
        "coordinate complex general",
        "coordinate integer symmetric",
        "coordinate real skew-symmetric",
        "coordinate complex hermitian",
        "array pattern general",
    ],
)
def test_a_kind_of_matrix_that_holds_no_counts_is_named(tmp_path, kind):
    with pytest.raises(InputError, match=rf"matrix\.mtx: .* of the kind '{kind}'.* are needed"):
        read(tmp_path, MATRIX.replace("coordinate integer general", kind))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("2 2 5", "2 2 5,0"), "entry 5, '2 2 5,0'"),
        (("2 2 5", "2 2 5x"), "entry 5, '2 2 5x'"),
        (("2 2 5", "2 2"), "entry 5, '2 2'"),
        (("2 2 5", "2 2 NA"), "entry 5, '2 2 NA'"),
        (("2 2 5", "2 2 5 999"), "not a table of entries .* in line 5, saw 4"),
        (("2 2 5", "2 2 5\0999"), "line 9 has null bytes"),
        (("2 2 5", "2 2 5.5"), "gene 'ENSG2' in sample 's2' is not whole"),
        (("2 2 5", "2 2 -5"), "gene 'ENSG2' in sample 's2' is negative"),
        (("2 2 5", "2 2 99999999999999999999"), "gene 'ENSG2' in sample 's2' is .* too large"),
        (("2 2 5", "4 2 5"), "entry 5 is in row 4 and column 2 of 3 rows and 4 columns"),
        (("2 2 5", "0 2 5"), "entry 5 is in row 0"),
        (("2 2 5", "1.5 2 5"), "entry 5 is in row 1.5"),
        (("2 2 5\n", ""), "8 entries are announced, but there are 7"),
        ((ENTRIES, ""), "8 entries are announced, but there are 0"),
        (("3 4 8", "3 4"), "the line '3 4' should have the numbers of rows"),
        (("3 4 8", "3 x 8"), "the line '3 x 8' should have"),
        (("matrix coordinate", "vector coordinate"), "not a Matrix Market file"),
    ],
)
def test_a_damaged_matrix_is_an_error_that_shows_where(tmp_path, change, message):
    with pytest.raises(InputError, match=rf"matrix\.mtx: .*{message}"):
        read(tmp_path, MATRIX.replace(*change))


def test_entries_of_one_gene_and_sample_are_added_and_told(tmp_path, caplog):
    adata = read(tmp_path, MATRIX.replace("2 2 5", "1 1 5"))
    assert adata["s1", "ENSG1"].X.toarray() == 6
    assert "1 entries are of a gene and sample that have one already" in caplog.text


# ---- Names beside it ----


@pytest.mark.parametrize(
    "others",
    [
        {"genes__tsv": "OTHER1\nOTHER2\nOTHER3\n"},
        {"genes__tsv": "ENSG3\nENSG2\nENSG1\n"},
        {"features__tsv__gz": FEATURES.replace("ENSG1", "OTHER")},
        {"barcodes__tsv__gz": "a\nb\nc\nd\n"},
    ],
)
def test_two_files_of_names_that_differ_are_an_error_that_names_both(tmp_path, others):
    (name,) = (name.replace("__", ".") for name in others)
    with pytest.raises(
        InputError, match=rf"matrix\.mtx: (?=.*{name}).*\.tsv beside it differ|{name} bes"
    ):
        read(tmp_path, **others)


def test_two_files_of_names_that_agree_are_read(tmp_path, expected):
    adata = read(tmp_path, genes__tsv="ENSG1\nENSG2\nENSG3\n", barcodes__tsv__gz=BARCODES)
    pd.testing.assert_frame_equal(adata.to_df(), expected)


@pytest.mark.parametrize("prefix", ["GSE1_rna_", "GSM1."])
def test_names_with_the_prefix_of_the_matrix_come_first(tmp_path, expected, prefix):
    others = {
        "genes__tsv": "OTHER1\nOTHER2\nOTHER3\n",
        "barcodes__tsv": "a\nb\nc\nd\n",
        "GSE11_rna_genes__tsv": "OTHER1\nOTHER2\nOTHER3\n",
    }
    adata = read(tmp_path, prefix=prefix, **others)
    pd.testing.assert_frame_equal(adata.to_df(), expected)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("".join(f'"{line}"\n' for line in FEATURES.splitlines()), "has a tab, .* in quotes"),
        (FEATURES.replace("\t", ","), "not separated by tabs, as in 'ENSG1,SYMBOL0,Gene Expr"),
        (FEATURES.replace("ENSG2", ""), "1 genes have no name, .* 2 of the genes, after 'ENSG1'"),
        ("1\tENSG1\n2\tENSG2\n3\tENSG3\n", "the first column numbers the rows"),
        ("<html></html>", "the content is a web page"),
        (FEATURES.replace("ENSG2", "ENSG2\0"), "line 2 has null bytes"),
    ],
    ids=["rows in quotes", "commas", "no name", "row numbers", "web page", "null bytes"],
)
def test_a_wrong_file_of_names_is_an_error_that_names_it(tmp_path, features, message):
    with pytest.raises(InputError, match=rf"features\.tsv: .*{message}"):
        read(tmp_path, features=features)


def test_a_file_of_names_in_gzip_is_read_whatever_it_is_called(tmp_path, expected):
    read(tmp_path)
    (tmp_path / "features.tsv").write_bytes(gzip.compress(FEATURES.encode()))
    adata = cohorts.read_counts(tmp_path / "matrix.mtx")
    pd.testing.assert_frame_equal(adata.to_df(), expected)


# ---- Types of features ----


@pytest.mark.parametrize(
    "kind", ["Antibody Capture", "CRISPR Guide Capture", "Multiplexing Capture", "Custom", "Peaks"]
)
def test_features_that_are_no_genes_are_left_out_and_told(tmp_path, expected, caplog, kind):
    features = FEATURES.replace("ENSG2\tSYMBOL1\tGene Expression", f"CD3\tCD3\t{kind}")
    adata = read(tmp_path, features=features)
    pd.testing.assert_frame_equal(adata.to_df(), expected[["ENSG1", "ENSG3"]])
    assert f"1 features of the type {kind} left out, such as CD3" in caplog.text


def test_a_matrix_of_no_gene_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no feature is of the type Gene Expression, but 'ENSG1'"):
        read(tmp_path, features=FEATURES.replace("Gene Expression", "Antibody Capture"))


def test_a_feature_without_type_is_an_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match="the feature 'ENSG2' has no type"):
        read(tmp_path, features=FEATURES.replace("ENSG2\tSYMBOL1\tGene Expression", "ENSG2"))


def test_a_third_column_that_says_something_else_leaves_all_genes(tmp_path, expected):
    adata = read(tmp_path, features=FEATURES.replace("Gene Expression", "protein_coding"))
    pd.testing.assert_frame_equal(adata.to_df(), expected)


# ---- .h5ad ----


def h5ad(path, matrix, **var):
    ad.AnnData(
        matrix,
        obs=pd.DataFrame(index=["s1", "s2"]),
        var=pd.DataFrame({key: pd.Categorical(values) for key, values in var.items()}, GENES),
    ).write_h5ad(path)
    return path


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_features_of_h5ad_that_are_no_genes_are_left_out(tmp_path, kind):
    counts = kind(np.array([[1, 2, 3], [4, 5, 6]]))
    types = ["Gene Expression", "Antibody Capture", "Gene Expression"]
    adata = cohorts.read_counts(h5ad(tmp_path / "c.h5ad", counts, feature_types=types))
    assert adata.to_df().to_dict("list") == {"ENSG1": [1, 4], "ENSG3": [3, 6]}


@pytest.mark.parametrize("kind", [bool, complex])
def test_values_of_h5ad_that_are_no_counts_are_named(tmp_path, kind):
    path = h5ad(tmp_path / "c.h5ad", np.ones((2, 3), dtype=kind))
    with pytest.raises(InputError, match=rf"c\.h5ad: X holds {kind.__name__}.*, no counts"):
        cohorts.read_counts(path)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_h5ad_without_samples_or_genes_is_an_error(tmp_path, shape):
    ad.AnnData(np.ones(shape)).write_h5ad(tmp_path / "c.h5ad")
    with pytest.raises(InputError, match=r"c\.h5ad: there is no (sample|gene)"):
        cohorts.read_counts(tmp_path / "c.h5ad")


# ---- Files of R ----


@pytest.fixture(scope="module")
def r_files(tmp_path_factory):
    """Files of R, written by one process: what each holds is in its name."""
    folder = tmp_path_factory.mktemp("r")
    code = """
        counts <- matrix(c(1L, 0L, 7L, 2L, 5L, 0L, 3L, 0L, 8L, 4L, 6L, 0L), nrow = 3,
                         dimnames = list(paste0("ENSG", 1:3), paste0("s", 1:4)))
        saveRDS(counts, "rds.RData"); saveRDS(counts, "rds.rds")
        save(counts, file = "save.rds"); save(counts, file = "save.rda", compress = "xz")
        saveRDS(counts, "ascii.rds", ascii = TRUE, compress = FALSE)
        saveRDS(list(counts = counts), "list.rds")
        saveRDS(data.frame(gene_name = "a", counts), "annotated.rds")
        saveRDS(list(counts = counts, samples = 1), "several.rds"); saveRDS(1:3, "vector.rds")
        storage.mode(counts) <- "complex"; saveRDS(counts, "complex.rds")
    """
    subprocess.run(["Rscript", "-e", code], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    "name",
    ["rds.RData", "rds.rds", "save.rds", "save.rda", "ascii.rds", "list.rds", "annotated.rds"],
)
def test_files_of_save_and_saverds_are_read_whatever_they_are_called(r_files, expected, name):
    pd.testing.assert_frame_equal(cohorts.read_counts(r_files / name).to_df(), expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("several.rds", "several objects .* among counts, samples .* saveRDS"),
        ("vector.rds", "'vector' is no matrix or data frame"),
        ("complex.rds", r"gene 'ENSG1' in sample 's1' is not a number but '\(1\+0j\)'"),
    ],
)
def test_files_of_r_without_counts_are_told(r_files, name, message):
    with pytest.raises(InputError, match=rf"{name}: .*{message}"):
        cohorts.read_counts(r_files / name)

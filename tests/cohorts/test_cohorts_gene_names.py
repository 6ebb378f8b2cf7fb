"""Names of genes: rows that are none, names that are missing or changed, and Ensembl ids."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from cohort_files import COUNTS, text_file

from mssvae import cohorts
from mssvae.errors import InputError

IDS = [f"ENSG0000000000{i}" for i in (1, 2, 3)]


def read(tmp_path, *names, more=""):
    """Read the three genes under these names, and ``more`` lines."""
    content = COUNTS
    for old, new in zip(("ENSG1", "ENSG2", "ENSG3"), names, strict=False):
        content = content.replace(old, new)
    return cohorts.read_counts(text_file(tmp_path / "c.tsv", content + more))


@pytest.mark.parametrize(
    "name",
    [
        "__no_feature",
        "__alignment_not_unique",
        "N_unmapped",
        "N_noFeature",
        "Unassigned_NoFeatures",
        "too_low_aQual",
        "*",
        "Total",
        "ERCC-00002",
        "CD3_TotalSeqB",
        "Hashtag1",
    ],
)
def test_rows_that_are_no_genes_are_left_out_and_told(tmp_path, caplog, name):
    adata = read(tmp_path, more=f"{name}\t4000\t5000\t6000\t7000\n")
    assert adata.var_names.tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    assert adata.X.sum() == 36
    assert "1 rows are no genes and left out" in caplog.text
    assert caplog.text.strip().endswith(f"such as {name}")


def test_genes_with_names_like_those_of_rows_that_are_none_stay(tmp_path):
    names = ["ERCC1", "SUMO1", "ADTRP"]
    assert read(tmp_path, *names).var_names.tolist() == names


@pytest.mark.parametrize("name", ["", "  ", "NA", "nan", "NULL", "#N/A", "#REF!", "-", "NA.1"])
def test_a_gene_without_a_name_is_an_error_that_says_where(tmp_path, name):
    with pytest.raises(InputError, match=r"c\.tsv: 1 genes have no name, .* row .* 3 .*'ENSG2'"):
        read(tmp_path, "ENSG1", "ENSG2", name)


@pytest.mark.parametrize(
    "name",
    [
        "1-Mar",
        "Mar-01",
        "2-Sep",
        "Sept 2",
        "1. Mrz",
        "1-déc",
        "2023-03-01",
        "2023-03-01 00:00:00",
        "3/1/2023",
        "01.03.2023",
        "43891",
        "2.31E+19",
    ],
)
def test_a_gene_that_became_a_date_is_an_error_that_says_why(tmp_path, name):
    with pytest.raises(InputError, match=r"c\.tsv: 1 gene names are dates .* a spreadsheet"):
        read(tmp_path, "TP53", name, "EGFR")


@pytest.mark.parametrize(
    "names", [["MARCH1", "SEPT2", "DEC1"], ["43891", "7157", "672"], ["7SK", "Oct4", "Ago-2"]]
)
def test_genes_that_only_look_like_dates_stay(tmp_path, names):
    assert read(tmp_path, *names).var_names.tolist() == names


def test_ensembl_ids_are_read_without_versions(tmp_path, caplog):
    caplog.set_level("INFO")
    adata = read(tmp_path, f"{IDS[0]}.15", f"gene:{IDS[1]}", f"{IDS[2]}.4_2")
    assert adata.var_names.tolist() == IDS
    assert f"3 Ensembl ids are without version now, such as {IDS[0]} for {IDS[0]}.15" in caplog.text


def test_names_that_are_no_ensembl_ids_keep_their_ends(tmp_path):
    names = ["RP11-34P13.7", "AC000001.1", "HLA-A"]
    assert read(tmp_path, *names).var_names.tolist() == names


@pytest.mark.parametrize("copy", [f"{IDS[0]}.15_PAR_Y", "ENSGR0000000001"])
@pytest.mark.parametrize("kind", ["c.tsv", "c.h5ad"])
def test_the_copy_of_a_gene_on_chromosome_y_is_added_to_it(tmp_path, copy, kind):
    adata = read(tmp_path, copy, f"{IDS[1]}.2", f"{IDS[0]}.15")
    if kind == "c.h5ad":
        names = [copy, f"{IDS[1]}.2", f"{IDS[0]}.15"]
        counts = np.array([[200, 0, 100], [2, 5, 0]], dtype=np.uint8)
        ad.AnnData(
            counts, obs=pd.DataFrame(index=["s1", "s2"]), var=pd.DataFrame(index=names)
        ).write_h5ad(tmp_path / kind)
        adata = cohorts.read_counts(tmp_path / kind)
    assert adata.var_names.tolist() == IDS[:2]
    assert adata["s1"].X.toarray().tolist() == [[300, 0] if kind == "c.h5ad" else [8, 0]]


@pytest.mark.parametrize("other", [f"{IDS[0]}.9", f"{IDS[0]}.9_2", IDS[0].lower()])
def test_two_names_of_one_gene_are_an_error_that_names_both(tmp_path, other):
    with pytest.raises(InputError, match=rf"c\.tsv: {IDS[0]}\.15 and {other} are one gene"):
        read(tmp_path, f"{IDS[0]}.15", other, IDS[2])


def test_names_that_differ_in_capitals_only_are_told(tmp_path, caplog):
    assert read(tmp_path, "Tp53", "TP53").var_names.tolist() == ["Tp53", "TP53", "ENSG3"]
    assert "2 gene names differ in their capitals only, such as Tp53" in caplog.text


def test_blanks_that_alone_tell_genes_apart_do_not(tmp_path):
    with pytest.raises(InputError, match="1 gene names occur more than once, such as 'ENSG1'"):
        read(tmp_path, "ENSG1", "ENSG1 ")

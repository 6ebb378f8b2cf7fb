"""Count matrices in tables of text: what is read that is not quite a plain table, what refused."""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile

import pandas as pd
import pytest
from cohort_files import COUNTS, text_file

from mssvae import cohorts
from mssvae.errors import InputError

HEAD, *ROWS = [line.split("\t") for line in COUNTS.splitlines()]


@pytest.fixture
def expected(tmp_path):
    """The counts of a plain table."""
    return cohorts.read_counts(text_file(tmp_path / "expected.tsv", COUNTS)).to_df()


def table(head, rows, mark="\t"):
    return "".join(mark.join(map(str, row)) + "\n" for row in [head, *rows])


# ---- Read, though not plain ----


@pytest.mark.parametrize(
    ("name", "mark"),
    [("c.csv", ";"), ("c.csv", "\t"), ("c.tsv", ","), ("c.txt", "|"), ("c.txt", "   ")],
)
def test_other_separators_than_the_name_says_are_read_and_told(
    tmp_path, expected, caplog, name, mark
):
    path = text_file(tmp_path / name, table(["gene", *HEAD[1:]], ROWS, mark))
    pd.testing.assert_frame_equal(cohorts.read_counts(path).to_df(), expected)
    assert f"{name}: cells are separated by" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        "\n\t\t\n" + COUNTS,
        COUNTS + "\t\t\t\t\n\n",
        '# Program:featureCounts v2.0.1; Command:"featureCounts" "s1.bam"\n' + COUNTS,
        "#gene" + COUNTS,
        COUNTS.replace("\n", "\t\n"),
        COUNTS.replace("\n", "\t\t\n", 1),
        COUNTS.removeprefix("\t"),
        COUNTS.replace("\n", "\r"),
        COUNTS.replace("\t5\t", '\t"5"\t').replace("\t8\t", "\t 8.0 \t"),
        COUNTS.replace("ENSG3", " ENSG3 ").replace("s2", " s2"),
        "\ufeff" + COUNTS,
        COUNTS.encode("utf-16"),
        gzip.compress(COUNTS.encode()),
    ],
    ids=[
        "empty lines above",
        "empty rows",
        "comment",
        "heading begins with #",
        "a tab ends each line",
        "tabs end the heading",
        "heading of R",
        "line ends of old Macs",
        "numbers in quotes and with zeros",
        "blanks around names",
        "byte order mark",
        "UTF-16",
        "gzip",
    ],
)
def test_what_tools_do_to_tables_is_read(tmp_path, expected, content):
    path = tmp_path / "c.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    pd.testing.assert_frame_equal(cohorts.read_counts(path).to_df(), expected)


def test_what_write_table_of_r_writes_is_read(tmp_path, expected):
    rows = [[f'"{gene}"', *counts] for gene, *counts in ROWS]
    path = text_file(tmp_path / "c.txt", table([f'"{name}"' for name in HEAD[1:]], rows, " "))
    pd.testing.assert_frame_equal(cohorts.read_counts(path).to_df(), expected)


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        (["Chr", "Start", "End", "Strand", "Length"], ["1;1", "100;300", "200;400", "+;+", 202]),
        (["gene_name"], ["TSPAN6"]),
        (["Gene Symbol", "Gene.Biotype"], ["TSPAN6", "protein_coding"]),
        (["Length"], [1000]),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_columns_about_genes_are_left_out_and_told(
    tmp_path, expected, caplog, columns, cells, after
):
    rows = [[gene, *counts, *cells] if after else [gene, *cells, *counts] for gene, *counts in ROWS]
    samples = HEAD[1:]
    head = ["Geneid", *samples, *columns] if after else ["Geneid", *columns, *samples]
    path = text_file(tmp_path / "c.tsv", table(head, rows))
    pd.testing.assert_frame_equal(cohorts.read_counts(path).to_df(), expected)
    assert f"left out that are about the genes, no samples: {', '.join(columns)}" in caplog.text


# ---- Refused, by what is wrong ----


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("5,0", "without decimal commas"),
        ("1,234", "marks between thousands"),
        ("1_000", "a raw count is needed"),
        ("NA", "a raw count is needed"),
        ("#N/A", "a raw count is needed"),
        ("5%", "a raw count is needed"),
        ("", "as many cells as the first"),
    ],
)
def test_a_cell_that_is_no_number_is_shown_as_in_the_file(tmp_path, cell, advice):
    path = text_file(tmp_path / "c.tsv", COUNTS.replace("\t5\t", f"\t{cell}\t"))
    with pytest.raises(
        InputError,
        match=rf"gene 'ENSG2' in sample 's2' is .* but {re.escape(repr(cell))}, .*{advice}",
    ):
        cohorts.read_counts(path)


def test_a_column_of_text_is_told_as_one(tmp_path):
    rows = [[gene, "TSPAN6", *counts] for gene, *counts in ROWS]
    path = text_file(tmp_path / "c.tsv", table(["", "remark", *HEAD[1:]], rows))
    with pytest.raises(
        InputError, match=r"'remark' is not a number but 'TSPAN6'.*no sample, remove"
    ):
        cohorts.read_counts(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("gene\nENSG1\nENSG2\n", "there is no sample: the table has one column"),
        ("404: Not Found", "there is no sample"),
        ("gene\ts1\ts2\n", "there is no gene below the heading"),
        ("\n\n", "there is no line in it"),
        ("gene\ts1\n__no_feature\t3\n", "there is no gene"),
        ("gene\tLength\nENSG1\t3\n", "there is no sample"),
        (COUNTS.replace("\t5\t", "\t5\0999\t"), "line 3 has null bytes"),
        (COUNTS.encode("utf-16-le"), "line 1 has null bytes"),
        (COUNTS.replace("\ts2", "\t"), "1 samples have no name, .* column 2 .* after 's1'"),
        (COUNTS.replace("ENSG2", "EN\x01SG2"), r"the name 'EN.x01SG2' of a gene has"),
        (COUNTS.replace("ENSG2\t0\t", "ENSG2\t"), "gene 'ENSG2' in sample 's4' is not a .* but ''"),
        (COUNTS.replace("\ts2", "", 1).replace("\t", "gene\t", 1), "names 3 samples .* has 4"),
        ("Counts of 2020\n" + COUNTS, "names 0 samples .* begins with 'Counts of 2020'"),
        ("#1.2\n3\t4\nName" + COUNTS, "a GCT file: remove the first two lines"),
        (
            table(["", "gene_id", *HEAD[1:]], [[i, *row] for i, row in enumerate(ROWS)]),
            "the first column numbers the rows: .* put 'gene_id' first",
        ),
        (
            table(["", *(f"ENSG0000000000{i}" for i in range(4))], [["s1", 1, 2, 3, 4]]),
            "samples and genes are exchanged",
        ),
    ],
)
def test_a_table_that_holds_no_counts_of_samples_is_told_by_what_is_wrong(
    tmp_path, content, message
):
    path = tmp_path / "c.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"c\.tsv: .*{message}"):
        cohorts.read_counts(path)


def archive(kind):
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as file:
            file.writestr("xl/worksheets/sheet1.xml", COUNTS)
    else:
        with tarfile.open(fileobj=stream, mode="w") as file:
            member = tarfile.TarInfo("counts.tsv")
            member.size = len(COUNTS)
            file.addfile(member, io.BytesIO(COUNTS.encode()))
    return stream.getvalue()


OTHER = {
    "zip archive or a workbook": archive("zip"),
    "tar archive": archive("tar"),
    "bzip2": bz2.compress(COUNTS.encode()),
    "xz": lzma.compress(COUNTS.encode()),
    "web page": b"\n<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n",
    "JSON": b'{"error": "not found"}',
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "Matrix Market": b"%%MatrixMarket matrix coordinate integer general\n1 1 0\n",
    "file of R": b"RDX3\nX\n\x00\x00",
    "place holder of a file in Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
}


# What the names of files stand for; R compresses its files, too.
OWN = {
    "c.tsv": (),
    "c.tsv.gz": (),
    "c.csv": (),
    "matrix.mtx": ("Matrix Market",),
    "c.h5ad": ("HDF5",),
    "c.RData": ("file of R", "bzip2", "xz"),
}


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name in OWN for what in OTHER if what not in OWN[name]]
)
def test_other_content_than_the_name_says_is_named(tmp_path, name, what):
    content = gzip.compress(OTHER[what]) if name.endswith(".gz") else OTHER[what]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: the content is .*{what}.*, not what the name"):
        cohorts.read_counts(tmp_path / name)


@pytest.mark.parametrize("what", ["zip archive", "web page", "xz"])
def test_other_content_called_gz_is_named(tmp_path, what):
    (tmp_path / "c.tsv.gz").write_bytes(next(OTHER[key] for key in OTHER if what in key))
    with pytest.raises(InputError, match=rf"c\.tsv\.gz: the content is .*{what}.* no gzip file"):
        cohorts.read_counts(tmp_path / "c.tsv.gz")


# ---- Large counts ----


def test_counts_above_2_to_the_24_are_exact_and_told(tmp_path, caplog):
    path = text_file(tmp_path / "c.tsv", COUNTS.replace("\t5\t", f"\t{2**24 + 1}\t"))
    adata = cohorts.read_counts(path)
    assert adata["s2", "ENSG2"].X.toarray() == 2**24 + 1
    assert adata.X.dtype == "float64"
    assert "gene ENSG2 in sample s2 is 16777217" in caplog.text


@pytest.mark.parametrize("count", [2**53, 2**63, 10**20])
def test_a_count_too_large_to_be_exact_is_an_error_that_names_it(tmp_path, count):
    path = text_file(tmp_path / "c.tsv", COUNTS.replace("\t5\t", f"\t{count}\t"))
    with pytest.raises(InputError, match=r"gene 'ENSG2' in sample 's2' is .* too large"):
        cohorts.read_counts(path)

import gzip
import hashlib
import io
import json
import runpy
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from mssvae import cohorts
from mssvae.errors import InputError
from mssvae.files import sha256

ROOT = Path(__file__).parents[1]
MAPPING = ROOT / "config" / "groups" / "platelet.tsv"
COUNTS = "\ts1\ts2\ts3\ts4\nENSG1\t1\t2\t3\t4\nENSG2\t0\t5\t0\t6\nENSG3\t7\t0\t8\t0\n"
# The first two samples list their characteristics in another order than the last two, and the
# samples come in another order than in the counts.
SERIES = (
    '!Series_title\t"Platelets"\n'
    '!Sample_geo_accession\t"GSM4"\t"GSM3"\t"GSM2"\t"GSM1"\n'
    '!Sample_source_name_ch1\t"s4"\t"s3"\t"s2"\t"s1"\n'
    '!Sample_characteristics_ch1\t"cancer type: GBM"\t"cancer type: GBM"\t"batch: 1"\t"batch: 2"\n'
    '!Sample_characteristics_ch1\t"batch: 3"\t"batch: 4"\t"cancer type: HC"\t"cancer type: HC"\n'
    "!series_matrix_table_begin\n"
)


def text_file(path, content):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content)
    return path


@pytest.fixture
def registry(tmp_path):
    """A registry of one small dataset, GSE1, whose files are in data/GSE1."""
    folder = tmp_path / "data" / "GSE1"
    folder.mkdir(parents=True)
    text_file(folder / "counts.txt.gz", COUNTS)
    text_file(folder / "series.txt.gz", SERIES)
    return text_file(
        tmp_path / "datasets.yaml",
        """
GSE1:
  title: Platelets
  citation: Nobody
  sample_name: source_name_ch1
  label: cancer type
  counts:
    name: counts.txt.gz
    address: http://127.0.0.1:9/counts.txt.gz
    format: table
    expect: {n_samples: 4, n_genes: 3, total_counts: 36}
  samples:
    name: series.txt.gz
    address: http://127.0.0.1:9/series.txt.gz
    format: series_matrix
    expect: {n_samples: 4}
""",
    )


def load(registry, mapping=MAPPING, groups=None):
    return cohorts.from_geo(
        cohorts.read_registry(registry, ["GSE1"]),
        mapping,
        groups,
        data_folder=registry.parent / "data",
        cache=registry.parent / "cache",
    )


# ---- GEO ----


def test_gse68086_has_the_samples_genes_and_groups_of_the_paper(data_folder, tmp_path):
    adata = cohorts.from_geo(
        cohorts.read_registry(ROOT / "config" / "datasets.yaml", ["GSE68086"]),
        MAPPING,
        data_folder=data_folder,
        cache=tmp_path,
    )
    assert adata.shape == (285, 57736)
    assert adata.X.dtype == np.float32
    assert adata.X.format == "csr"
    assert adata.obs["group"].value_counts(sort=False).to_dict() == {
        "Healthy": 55,
        "Glioblastoma": 40,
        "Non Small Cell Lung Cancer": 60,
        "Other Cancer": 130,
    }
    assert adata.uns["source"]["total_counts"] == 595_962_829
    # Counts read off the file.
    assert adata["3-Breast-Her2-ampl", "ENSG00000000419"].X.toarray() == 44
    assert adata["15-Breast-Her2-ampl", "ENSG00000000003"].X.toarray() == 17
    # Samples whose label would contradict their name if the two files were joined by position.
    assert adata.obs["label"]["MGH-BrCa-H-59"] == "Breast"
    assert adata.obs["label"]["MGH-CRC-368"] == "CRC"
    assert adata.obs["label"]["Vumc-NSCLC-49"] == "Lung"
    assert not any(tmp_path.iterdir())


def test_the_40_samples_of_gse68086_in_another_order_are_read_by_key(data_folder):
    path = data_folder / "GSE68086" / "GSE68086_series_matrix.txt.gz"
    samples = cohorts.read_series_matrix(path, "source_name_ch1")
    with gzip.open(path, "rt") as stream:
        first = next(line for line in stream if line.startswith("!Sample_characteristics_ch1"))
    reordered = np.array([not cell.startswith('"tissue') for cell in first.split("\t")[1:]])
    assert reordered.sum() == 40
    assert (samples["tissue"] == "blood").all()
    assert (samples["cell type"].str.lower() == "thrombocytes").all()
    assert samples["batch"].str.startswith("Batch").all()
    assert set(samples["cancer type"][reordered]) <= set(samples["cancer type"][~reordered])


def test_a_cohort_holds_counts_labels_groups_and_source(registry):
    adata = load(registry)
    assert adata.obs_names.tolist() == ["s1", "s2", "s3", "s4"]
    assert adata.var_names.tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    assert adata.X.toarray().tolist() == [[1, 0, 7], [2, 5, 0], [3, 0, 8], [4, 6, 0]]
    assert adata.obs["label"].tolist() == ["HC", "HC", "GBM", "GBM"]
    assert adata.obs["group"].cat.categories.tolist() == ["Healthy", "Glioblastoma"]
    assert set(adata.obs["dataset"]) == {"GSE1"}
    assert adata.uns["source"] == {
        "kind": "geo",
        "accessions": ["GSE1"],
        "files": {
            "GSE1": {
                role: {
                    "name": name,
                    "address": f"http://127.0.0.1:9/{name}",
                    "sha256": sha256(registry.parent / "data" / "GSE1" / name),
                }
                for role, name in (("counts", "counts.txt.gz"), ("samples", "series.txt.gz"))
            }
        },
        "n_samples": 4,
        "n_genes": 3,
        "total_counts": 36,
    }


def test_a_series_matrix_may_be_uncompressed(tmp_path):
    path = text_file(tmp_path / "series.txt", SERIES)
    samples = cohorts.read_series_matrix(path, "source_name_ch1")
    assert samples["cancer type"].to_dict() == {"s1": "HC", "s2": "HC", "s3": "GBM", "s4": "GBM"}


def test_several_datasets_are_joined_on_their_common_genes(registry):
    text = registry.read_text()
    registry.write_text(text + text.replace("GSE1:", "GSE2:"))
    folder = registry.parent / "data" / "GSE2"
    folder.mkdir()
    text_file(folder / "counts.txt.gz", COUNTS.replace("s", "t").replace("ENSG2", "ENSG9"))
    text_file(folder / "series.txt.gz", SERIES.replace('"s', '"t'))
    adata = cohorts.from_geo(
        cohorts.read_registry(registry, ["GSE1", "GSE2"]),
        MAPPING,
        data_folder=registry.parent / "data",
        cache=registry.parent / "cache",
    )
    assert adata.var_names.tolist() == ["ENSG1", "ENSG3"]
    assert adata.obs["dataset"].tolist() == ["GSE1"] * 4 + ["GSE2"] * 4
    assert adata.uns["source"]["accessions"] == ["GSE1", "GSE2"]


def test_a_truncated_gzip_is_an_error_that_names_the_file(registry):
    path = registry.parent / "data" / "GSE1" / "counts.txt.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(
        InputError, match=r"counts\.txt\.gz: the gzip file is truncated.*delete the"
    ):
        load(registry)


@pytest.mark.parametrize("wrong", ["n_samples: 5", "n_genes: 4", "total_counts: 37"])
def test_unexpected_content_is_an_error_that_names_file_expected_and_found(registry, wrong):
    key, number = wrong.split(": ")
    right = f"{key}: {({'n_samples': 4, 'n_genes': 3, 'total_counts': 36})[key]}"
    registry.write_text(registry.read_text().replace(right, wrong))
    found = right.split(": ")[1]
    with pytest.raises(
        InputError, match=rf"counts\.txt\.gz: expected {key} = {number}, found {found}: delete"
    ):
        load(registry)


def test_a_wrong_checksum_is_an_error_and_the_right_one_passes(registry):
    path = registry.parent / "data" / "GSE1" / "counts.txt.gz"
    text, found = registry.read_text(), sha256(path)
    registry.write_text(text.replace("format: table", f"format: table\n    sha256: {found}"))
    assert load(registry).n_obs == 4
    registry.write_text(text.replace("format: table", f"format: table\n    sha256: {'f' * 64}"))
    with pytest.raises(InputError, match=rf"counts\.txt\.gz: expected .* f{{64}}, found {found}"):
        load(registry)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("GSE1:", "GSE7:"), "no dataset 'GSE1', only GSE7"),
        (("  title", "  titel"), "entry GSE1 .* unknown key.*titel"),
        (("  label: cancer type\n", ""), "entry GSE1 has a missing.*label"),
        (("format: table", "format: xlsx"), "counts of GSE1 have the unknown format 'xlsx'"),
    ],
)
def test_a_wrong_registry_is_an_error_that_names_the_entry(registry, change, message):
    registry.write_text(registry.read_text().replace(*change))
    with pytest.raises(InputError, match=rf"datasets\.yaml: .*{message}"):
        load(registry)


def test_a_dataset_asked_for_twice_is_an_error(registry):
    with pytest.raises(InputError, match="names 'GSE1' more than once in datasets: keep one"):
        cohorts.read_registry(registry, ["GSE1", "GSE1"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("source_name", "title"), "no line !Sample_source_name_ch1"),
        (('"s4"', '"s3"'), "sample names occur more than once, such as 's3'"),
        (("batch: 1", "batch 1"), "sample 's2' has the characteristic 'batch 1'"),
        (('"s4"', '"s5"'), "1 samples of the count matrix are not described, such as 's4'"),
        (("cancer type", "disease"), "no 'cancer type' of the samples"),
    ],
)
def test_a_wrong_series_matrix_is_an_error_that_names_file_and_sample(registry, change, message):
    path = registry.parent / "data" / "GSE1" / "series.txt.gz"
    text_file(path, SERIES.replace(*change))
    with pytest.raises(InputError, match=rf"series\.txt\.gz: .*{message}"):
        load(registry)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SERIES.encode(), "not compressed .*: copy .* or compress it"),
        (gzip.compress(SERIES.encode())[:-12], "the gzip file is truncated"),
        (gzip.compress(SERIES.replace("Platelets", "Plättchen").encode("latin-1")), "not UTF-8"),
    ],
    ids=["no gzip", "truncated", "latin-1"],
)
def test_a_series_matrix_that_is_no_text_is_an_error_that_names_it(tmp_path, content, message):
    (tmp_path / "series.txt.gz").write_bytes(content)
    with pytest.raises(InputError, match=rf"series\.txt\.gz: .*{message}"):
        cohorts.read_series_matrix(tmp_path / "series.txt.gz", "source_name_ch1")


# ---- Downloads ----


@pytest.fixture
def server():
    """A web server that gives ``answers`` (status, body, length) in turn, the last one for good."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers = self.server.answers
            status, body, length = answers.pop(0) if len(answers) > 1 else answers[0]
            self.server.n_requests += 1
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.n_requests = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server, tmp_path, name="file.txt", **content):
    address = f"http://127.0.0.1:{server.server_port}/{name}"
    file = cohorts.RegistryFile(name, address, "table", expect={}, **content)
    return cohorts.fetch("GSE1", file, data_folder=None, cache=tmp_path / "cache", wait=0)


def test_a_download_succeeds_after_a_failed_try_and_is_kept(server, tmp_path):
    server.answers = [(500, b"", 0), (200, b"hel", 5), (200, b"hello", 5)]
    path = fetch(server, tmp_path)
    assert path == tmp_path / "cache" / "GSE1" / "file.txt"
    assert path.read_bytes() == b"hello"
    assert server.n_requests == 3
    assert fetch(server, tmp_path) == path
    assert server.n_requests == 3


def test_a_failed_download_names_file_and_address_and_leaves_nothing(server, tmp_path):
    server.answers = [(404, b"", 0)]
    with pytest.raises(
        cohorts.DownloadError,
        match=rf"file\.txt is not .* from http://127\.0\.0\.1:{server.server_port}/file\.txt in 3",
    ):
        fetch(server, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_that_breaks_off_leaves_nothing(server, tmp_path):
    server.answers = [(200, b"hel", 5)]
    with pytest.raises(cohorts.DownloadError, match="2 bytes too early"):
        fetch(server, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_response_that_refuses_is_closed(server, tmp_path, monkeypatch):
    body = io.BytesIO()

    def refuse(address, timeout):
        raise urllib.error.HTTPError(address, 403, "Forbidden", None, body)

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(cohorts.DownloadError, match="HTTP Error 403: Forbidden"):
        fetch(server, tmp_path)
    assert body.closed


def answer(body):
    return 200, body, len(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Please log in</html>", "Not a gzipped file"),
        (gzip.compress(b"hello")[:-4], "truncated, damaged"),
        (b"", "empty"),
    ],
    ids=["no gzip", "truncated", "empty"],
)
def test_a_download_that_is_no_whole_gzip_file_is_not_kept(server, tmp_path, body, message):
    server.answers = [answer(body)]
    with pytest.raises(cohorts.DownloadError, match=rf"in 3 attempts \(the gzip.*{message}"):
        fetch(server, tmp_path, "file.txt.gz")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    server.answers = [answer(body), answer(gzip.compress(b"hello"))]
    assert gzip.decompress(fetch(server, tmp_path, "file.txt.gz").read_bytes()) == b"hello"


def test_a_download_with_a_wrong_checksum_is_not_kept(server, tmp_path):
    checksum = hashlib.sha256(b"hello").hexdigest()
    server.answers = [answer(b"other")]
    with pytest.raises(cohorts.DownloadError, match=rf"in 3 attempts \(expected .*{checksum}"):
        fetch(server, tmp_path, sha256=checksum)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    server.answers = [answer(b"other"), answer(b"hello")]
    assert fetch(server, tmp_path, sha256=checksum).read_bytes() == b"hello"


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
        (("\ts1", "s1"), "the first line names 3 samples but the next has 4 counts"),
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


def test_an_unknown_kind_of_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"counts\.xlsx: unknown kind of file"):
        cohorts.read_counts(tmp_path / "counts.xlsx")


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


# ---- Own files ----

SHEET = "sample\tage\tdisease\ns2\t50\tsick\ns1\t60\tsick\ns4\t\twell\ns3\t70\twell\ns9\t1\twell\n"


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
        (("", ""), {"column": "diagnosis"}, "no 'diagnosis' .* there are age, disease"),
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


# ---- Groups ----


@pytest.mark.parametrize("label", ["", "  ", "NA", "null"])
def test_a_sample_without_label_is_an_error_that_names_it(registry, label):
    series = SERIES.replace("cancer type: GBM", f"cancer type: {label}", 1)
    text_file(registry.parent / "data" / "GSE1" / "series.txt.gz", series)
    with pytest.raises(
        InputError, match=rf"the label '{label.strip()}' is not in .* 1 samples \(s4\)"
    ):
        load(registry)


def test_a_label_that_is_not_mapped_is_an_error_that_names_samples(registry, tmp_path):
    mapping = text_file(tmp_path / "map.tsv", "label\tgroup\treason\nHC\tHealthy\t\n")
    with pytest.raises(InputError, match=r"map\.tsv: the label 'GBM' .* 2 samples \(s3, s4\)"):
        load(registry, mapping)


def test_samples_of_an_excluded_label_are_left_out(registry, tmp_path, caplog):
    mapping = text_file(
        tmp_path / "map.tsv", "label\tgroup\treason\nHC\tHealthy\t\nGBM\t\tno consent\n"
    )
    caplog.set_level("INFO")
    adata = load(registry, mapping)
    assert adata.obs_names.tolist() == ["s1", "s2"]
    assert adata.uns["source"]["n_samples"] == 2
    assert "2 samples labelled GBM left out: no consent" in caplog.text


def test_cells_of_a_mapping_may_have_blanks_and_na_for_no_group(tmp_path):
    table = "label\tgroup\treason\nHC \t Healthy\t\nGBM\tNA\tno consent\n"
    mapping = cohorts.read_group_mapping(text_file(tmp_path / "map.tsv", table))
    assert mapping["group"].to_dict() == {"HC": "Healthy", "GBM": ""}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("label\tgroup\nHC\tHealthy\n", "the columns are label, group: they must be"),
        ("label\tgroup\treason\nHC\tA\t\nHC\tB\t\n", "the label 'HC' occurs twice"),
        ("label\tgroup\treason\nHC\t\t\n", "the label 'HC' has no group"),
        ("label\tgroup\treason\nHC\tNA\t \n", "the label 'HC' has no group"),
        ("", "not a table of labels"),
    ],
)
def test_a_wrong_mapping_is_an_error_that_names_it(tmp_path, table, message):
    with pytest.raises(InputError, match=rf"map\.tsv: {message}"):
        cohorts.read_group_mapping(text_file(tmp_path / "map.tsv", table))


def test_a_configured_group_that_is_not_in_the_data_is_an_error(registry):
    with pytest.raises(InputError, match="GSE1: the group 'Multiple Sclerosis' of the config"):
        load(registry, groups=["Healthy", "Glioblastoma", "Multiple Sclerosis"])


# ---- The script ----


@pytest.fixture
def run_script(registry, tmp_path, monkeypatch):
    """Run scripts/cohort_counts.py with params and return the counts and the source it wrote."""
    monkeypatch.setattr("mssvae.logs.log_to", lambda path: None)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    terms = pd.DataFrame(
        [(f"GO:{g // 40}", f"term {g // 40}", f"ENSG{g:05}") for g in range(16_000)],
        columns=["ID", "Description", "gene"],
    )
    terms.to_csv(tmp_path / "go.tsv", sep="\t", index=False)

    def run(**params):
        defaults = dict.fromkeys(["groups", "group_column", "data_folder"], None)
        snakemake = SimpleNamespace(
            input=SimpleNamespace(
                registry=registry,
                groups=MAPPING,
                go_gene_sets=tmp_path / "go.tsv",
                counts=text_file(tmp_path / "counts.tsv", COUNTS),
                samples=text_file(tmp_path / "samples.tsv", SHEET),
            ),
            output=SimpleNamespace(counts=tmp_path / "c.h5ad", source=tmp_path / "c.json"),
            params=SimpleNamespace(
                **defaults | {"datasets": ["GSE1"], "seed": 3, "cache": tmp_path / "cache"} | params
            ),
            log=[tmp_path / "log"],
        )
        script = ROOT / "scripts" / "cohort_counts.py"
        runpy.run_path(str(script), init_globals={"snakemake": snakemake})
        return ad.read_h5ad(tmp_path / "c.h5ad"), json.loads((tmp_path / "c.json").read_text())

    return run


def test_auto_takes_real_counts_where_they_are(run_script, tmp_path):
    adata, source = run_script(source="auto", data_folder=str(tmp_path / "data"))
    assert source["kind"] == "geo"
    assert adata.shape == (4, 3)


def test_auto_falls_back_to_a_synthetic_cohort_and_says_so(run_script, caplog):
    adata, source = run_script(source="auto")
    assert source["kind"] == adata.uns["source"]["kind"] == "synthetic"
    assert source["seed"] == 3
    assert "counts.txt.gz" in caplog.text
    assert "A SYNTHETIC cohort takes the place of the real one" in caplog.text


def test_a_synthetic_cohort_has_the_groups_of_the_config_in_their_order(run_script):
    groups = ["Glioblastoma", "Other Cancer", "Healthy", "Non Small Cell Lung Cancer"]
    adata, _ = run_script(source="auto", groups=groups)
    assert adata.obs["group"].cat.categories.tolist() == groups
    assert (adata.obs["group"].astype(str) == adata.obs["label"].astype(str)).all()


def test_a_group_that_is_not_simulated_is_an_error(run_script):
    with pytest.raises(InputError, match="the synthetic cohort: the group 'Sepsis' of the config"):
        run_script(source="synthetic", groups=["Healthy", "Sepsis"])


def test_auto_does_not_replace_a_damaged_file(run_script, tmp_path):
    path = tmp_path / "data" / "GSE1" / "counts.txt.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="truncated"):
        run_script(source="auto", data_folder=str(tmp_path / "data"))


def test_geo_fails_naming_file_and_address_and_writes_nothing(run_script, tmp_path):
    with pytest.raises(
        cohorts.DownloadError, match=r"counts\.txt\.gz .* http://127.0.0.1:9/counts\.txt\.gz"
    ):
        run_script(source="geo")
    assert not list(tmp_path.glob("*c.*"))


def test_files_are_read_by_the_script(run_script):
    adata, source = run_script(source="files", group_column="disease")
    assert source["kind"] == "files"
    assert adata.obs["group"].tolist() == ["sick", "sick", "well", "well"]

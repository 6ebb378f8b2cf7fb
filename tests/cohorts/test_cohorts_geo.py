"""Cohorts of public datasets: the registry, series matrices, groups, and the script."""

import gzip
import json
import runpy
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from cohort_files import COUNTS, SHEET, text_file

from mssvae import cohorts
from mssvae.data.files import sha256
from mssvae.enrichment import write_gmt
from mssvae.errors import InputError

ROOT = Path(__file__).parents[2]
MAPPING = ROOT / "config" / "groups" / "platelet.tsv"
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
    expect: {n_samples: 4, n_genes: 3, total_counts: 36}
  samples:
    - name: series.txt.gz
      address: http://127.0.0.1:9/series.txt.gz
      expect: {n_samples: 4}
""",
    )


def load(registry, mapping=MAPPING, groups=None, accessions=("GSE1",)):
    return cohorts.from_geo(
        cohorts.read_registry(registry, accessions),
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
                name: {
                    "address": f"http://127.0.0.1:9/{name}",
                    "sha256": sha256(registry.parent / "data" / "GSE1" / name),
                }
                for name in ("counts.txt.gz", "series.txt.gz")
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


def add_dataset(registry, counts, series):
    """Add the dataset GSE2 to the registry, and its files to the data folder."""
    entry = yaml.safe_load(registry.read_text())["GSE1"]
    del entry["counts"]["expect"]
    registry.write_text(registry.read_text() + yaml.safe_dump({"GSE2": entry}))
    folder = registry.parent / "data" / "GSE2"
    folder.mkdir()
    text_file(folder / "counts.txt.gz", counts)
    text_file(folder / "series.txt.gz", series)


def test_several_datasets_are_joined_on_their_common_genes(registry):
    counts = "\tt1\tt2\tt3\tt4\nENSG3\t1\t1\t1\t1\nENSG9\t1\t2\t3\t4\nENSG1\t0\t9\t0\t8\n"
    add_dataset(registry, counts, SERIES.replace('"s', '"t'))
    adata = load(registry, accessions=["GSE1", "GSE2"])
    assert adata.to_df().loc["t2"].to_dict() == {"ENSG1": 9, "ENSG3": 1}
    # t1 and t3 have the same counts, but nothing is left out of a dataset for what it has itself.
    assert adata.obs["dataset"].tolist() == ["GSE1"] * 4 + ["GSE2"] * 4
    assert adata.uns["source"]["accessions"] == ["GSE1", "GSE2"]
    assert adata.uns["source"]["n_samples"] == 8


def test_samples_that_an_earlier_dataset_has_are_left_out_by_name_or_counts(registry, caplog):
    caplog.set_level("INFO")
    folder = registry.parent / "data" / "GSE1"
    text_file(folder / "counts.txt.gz", COUNTS.replace("s2", "Vumc-HD-2"))
    text_file(folder / "series.txt.gz", SERIES.replace("s2", "Vumc-HD-2"))
    # The first has the counts of s1, the others but the last the name of Vumc-HD-2 and s3.
    names = ["other", "VUMC_HD 2", "s3", "t4"]
    counts = "\t" + "\t".join(names) + "\nENSG1\t1\t1\t5\t5\nENSG3\t7\t1\t5\t6\n"
    series = SERIES
    for i, name in enumerate(names, 1):
        series = series.replace(f'"s{i}"', f'"{name}"')
    add_dataset(registry, counts, series)
    adata = load(registry, accessions=["GSE1", "GSE2"])
    assert adata.obs_names.tolist() == ["s1", "Vumc-HD-2", "s3", "s4", "t4"]
    assert adata["Vumc-HD-2", "ENSG1"].X.toarray() == 2
    assert "GSE2: 3 samples left out that an earlier dataset has, such as other" in caplog.text
    assert adata.uns["source"]["n_samples"] == 5


def test_a_dataset_that_an_earlier_one_has_whole_adds_nothing(registry):
    add_dataset(registry, COUNTS, SERIES)
    adata = load(registry, accessions=["GSE1", "GSE2"])
    assert adata.obs["dataset"].tolist() == ["GSE1"] * 4


def test_datasets_without_a_common_gene_are_an_error_that_names_genes_of_each(registry):
    counts = COUNTS.replace("s", "t").replace("ENSG", "symbol")
    add_dataset(registry, counts, SERIES.replace('"s', '"t'))
    with pytest.raises(
        InputError, match=r"no gene in common.* GSE1 ENSG1, GSE2 symbol1: they must"
    ):
        load(registry, accessions=["GSE1", "GSE2"])


def test_all_files_that_cannot_be_had_are_named_at_once(registry, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name in ("counts.txt.gz", "series.txt.gz"):
        (registry.parent / "data" / "GSE1" / name).unlink()
    with pytest.raises(cohorts.DownloadError) as error:
        load(registry)
    lines = str(error.value).splitlines()
    assert [line.split()[0] for line in lines] == ["counts.txt.gz", "series.txt.gz"]


def test_a_file_without_a_known_checksum_is_named_in_the_log(registry, caplog):
    caplog.set_level("INFO")
    load(registry)
    assert "counts.txt.gz (its checksum is not known)" in caplog.text


# ---- The registry of this repository ----


def test_addresses_of_the_registry_have_the_form_of_geo():
    registry = ROOT / "config" / "datasets.yaml"
    for dataset in cohorts.read_registry(registry, list(yaml.safe_load(registry.read_text()))):
        accession = dataset.accession
        folder = f"https://ftp.ncbi.nlm.nih.gov/geo/series/{accession[:-3]}nnn/{accession}"
        assert dataset.counts.address == f"{folder}/suppl/{dataset.counts.name}"
        for file in dataset.samples:
            assert file.address == f"{folder}/matrix/{file.name}"


def test_the_config_of_the_whole_cohort_fits_registry_and_mapping():
    cohort = yaml.safe_load((ROOT / "config" / "whole.yaml").read_text())["cohorts"]["whole"]
    datasets = cohorts.read_registry(ROOT / "config" / "datasets.yaml", cohort["datasets"])
    assert [len(dataset.samples) for dataset in datasets] == [1, 2]
    groups = cohorts.read_group_mapping(ROOT / cohort["group_mapping"])["group"]
    # Table 1 of the paper.
    assert cohort["groups"] == [group for group in groups.unique() if group]
    assert len(cohort["groups"]) == 6


def test_every_label_of_gse183635_has_a_group_or_a_reason(data_folder):
    path = data_folder / "GSE183635" / "GSE183635-GPL20301_series_matrix.txt.gz"
    labels = cohorts.read_series_matrix(path, "title")["patient group"]
    assert len(labels) == 705
    assert labels.nunique() == 24
    mapping = cohorts.read_group_mapping(MAPPING)
    mapping.index = mapping.index.str.casefold()
    groups = labels.str.casefold().map(mapping["group"])
    assert groups.value_counts().to_dict() == {
        "Other Cancer": 458,
        "Healthy": 108,
        "Non Small Cell Lung Cancer": 56,
        "": 46,
        "Multiple Sclerosis": 19,
        "Glioblastoma": 18,
    }


def test_gse183635_is_read_from_rdata_and_two_series_matrices(data_folder, tmp_path):
    registry = ROOT / "config" / "datasets.yaml"
    (dataset,) = cohorts.read_registry(registry, ["GSE183635"])
    folder = tmp_path / "GSE183635"
    folder.mkdir()
    absent, present = dataset.samples
    real = data_folder / "GSE183635" / present.name
    (folder / present.name).write_bytes(real.read_bytes())
    # The other matrix is not at hand. It has a label that is not in the first, in other letters.
    text_file(
        folder / absent.name,
        '!Sample_title\t"Vumc-AP-1"\t"Vumc-AP-2"\n'
        '!Sample_geo_accession\t"GSM1"\t"GSM2"\n'
        '!Sample_characteristics_ch1\t"patient group: Angina Pectoris"'
        '\t"patient group: Angina Pectoris"\n',
    )
    titles = cohorts.read_series_matrix(real, "title").index.tolist()
    columns = [f"{i}-{title}" for i, title in enumerate(titles)]
    columns += ["countMatrix.705-Vumc-AP-1", "countMatrix.706-Vumc-AP-2"]
    write_r_matrix(folder / dataset.counts.name, "TEP_Count_Matrix", columns)

    sizes = {"counts": {"n_samples": 707}, "samples": [{"n_samples": 2}, {"n_samples": 705}]}
    small = replace(
        dataset,
        counts=replace(dataset.counts, expect=sizes["counts"]),
        samples=[
            replace(file, expect=size)
            for file, size in zip(dataset.samples, sizes["samples"], strict=True)
        ],
    )
    adata = cohorts.from_geo([small], MAPPING, data_folder=tmp_path, cache=tmp_path)
    assert adata.n_obs == 707 - 46
    assert adata.obs["group"].value_counts().to_dict() == {
        "Other Cancer": 458,
        "Healthy": 108,
        "Non Small Cell Lung Cancer": 56,
        "Multiple Sclerosis": 19,
        "Glioblastoma": 18,
        "Cardiovascular Disease": 2,
    }
    assert adata.obs["label"]["Vumc-AP-2"] == "Angina Pectoris"
    # The counts of the n-th column are n, n + 1 and n + 2.
    assert titles[3] == "VUMC-HC0144-DOT-HD-48h-TR3073"
    assert adata["VUMC-HC0144-DOT-HD-48h-TR3073"].X.toarray().tolist() == [[4, 5, 6]]
    with pytest.raises(InputError, match="expected n_samples = 2351, found 707"):
        cohorts.from_geo([dataset], MAPPING, data_folder=tmp_path, cache=tmp_path)


def write_r_matrix(path, name, columns):
    """Save a matrix of three genes as GEO has it: an .RData file, compressed once more."""
    names = path.with_name("columns.txt")
    names.write_text("\n".join(columns))
    code = f"""
        columns <- readLines("{names}")
        {name} <- outer(0:2, seq_along(columns), "+")
        storage.mode({name}) <- "integer"
        dimnames({name}) <- list(paste0("ENSG", 1:3), columns)
        save({name}, file = "{path.with_suffix("")}")
    """
    subprocess.run(["Rscript", "-e", code], check=True)
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


def test_sample_names_are_rewritten_in_order(registry):
    text = registry.read_text()
    rename = r"    rename: {'^s': 'GSM-', '-(\d)$': '_\1'}"
    registry.write_text(text.replace("    name: counts", f"{rename}\n    name: counts"))
    series = SERIES
    for i in range(1, 5):
        series = series.replace(f'"s{i}"', f'"GSM_{i}"')
    text_file(registry.parent / "data" / "GSE1" / "series.txt.gz", series)
    assert load(registry).obs_names.tolist() == ["GSM_1", "GSM_2", "GSM_3", "GSM_4"]


def test_names_that_rewriting_makes_equal_are_an_error(registry):
    text = registry.read_text()
    registry.write_text(
        text.replace("    name: counts", "    rename: {'[12]$': ''}\n    name: counts")
    )
    with pytest.raises(InputError, match=r"counts\.txt\.gz: 1 sample names .* such as 's'"):
        load(registry)


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
    registry.write_text(text.replace("    name: counts", f"    sha256: {found}\n    name: counts"))
    assert load(registry).n_obs == 4
    registry.write_text(
        text.replace("    name: counts", f"    sha256: {'f' * 64}\n    name: counts")
    )
    with pytest.raises(InputError, match=rf"counts\.txt\.gz: expected .* f{{64}}, found {found}"):
        load(registry)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("GSE1:", "GSE7:"), "no dataset 'GSE1', only GSE7"),
        (("  title", "  titel"), "entry GSE1 .* unknown key.*titel"),
        (("  label: cancer type\n", ""), "entry GSE1 has a missing.*label"),
        (("{n_samples: 4}", "{n_samples: four}"), "entry GSE1 expects n_samples to be 'four'"),
        (("    - name: series", "    - some\n    - name: series"), "entry GSE1 has 'some' where"),
        (
            ("name: counts", "rename: {'(': ''}\n    name: counts"),
            "renames samples by '.', which is no",
        ),
    ],
)
def test_a_wrong_registry_is_an_error_that_names_the_entry(registry, change, message):
    registry.write_text(registry.read_text().replace(*change))
    with pytest.raises(InputError, match=rf"datasets\.yaml: .*{message}"):
        load(registry)


def test_a_key_of_the_registry_that_is_there_twice_is_an_error(registry):
    registry.write_text(registry.read_text().replace("citation: Nobody", "title: Again"))
    with pytest.raises(InputError, match=r"datasets\.yaml, line 4: the key 'title' is there twice"):
        load(registry)


def test_a_group_that_the_mapping_lacks_is_told_before_any_download(registry, tmp_path):
    datasets = cohorts.read_registry(registry, ["GSE1"])
    with pytest.raises(
        InputError, match=r"platelet\.tsv: no label has the group 'Helthy' .*Health"
    ):
        cohorts.from_geo(datasets, MAPPING, ["Helthy"], cache=tmp_path / "none")


def test_a_dataset_asked_for_twice_is_an_error(registry):
    with pytest.raises(InputError, match="names 'GSE1' more than once in datasets: keep one"):
        cohorts.read_registry(registry, ["GSE1", "GSE1"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("source_name", "title"), "no line !Sample_source_name_ch1"),
        (('"s4"', '"s3"'), "sample names occur more than once, such as 's3'"),
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
        (SERIES.encode(), "not compressed .*: copy .* or compress"),
        (gzip.compress(SERIES.encode())[:-12], "the gzip file is truncated"),
        (gzip.compress(SERIES.replace("Platelets", "Plättchen").encode("latin-1")), "not UTF-8"),
    ],
    ids=["no gzip", "truncated", "latin-1"],
)
def test_a_series_matrix_that_is_no_text_is_an_error_that_names_it(tmp_path, content, message):
    (tmp_path / "series.txt.gz").write_bytes(content)
    with pytest.raises(InputError, match=rf"series\.txt\.gz: .*{message}"):
        cohorts.read_series_matrix(tmp_path / "series.txt.gz", "source_name_ch1")


# ---- Groups ----


def test_a_series_whose_label_is_not_known_is_an_error_that_names_what_it_has(registry):
    registry.write_text(registry.read_text().replace("label: cancer type", "label: null"))
    with pytest.raises(InputError, match=r"characteristic of GSE1 .*: set its label .*cancer type"):
        load(registry)


@pytest.mark.parametrize("label", ["", "  ", "NA", "null"])
def test_a_sample_without_label_is_an_error_that_names_it(registry, label):
    series = SERIES.replace("cancer type: GBM", f"cancer type: {label}", 1)
    text_file(registry.parent / "data" / "GSE1" / "series.txt.gz", series)
    with pytest.raises(
        InputError, match=rf"not in the mapping: '{label.strip()}' of 1 samples \(s4\)"
    ):
        load(registry)


def test_a_label_that_is_not_mapped_is_an_error_that_names_samples(registry, tmp_path):
    mapping = text_file(tmp_path / "map.tsv", "label\tgroup\treason\nHC\tHealthy\t\n")
    with pytest.raises(InputError, match=r"map\.tsv: .*: 'GBM' of 2 samples \(s3, s4\): add"):
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
    write_gmt(terms, tmp_path / "go.gmt")

    def run(go_gene_sets=tmp_path / "go.gmt", engine="none", **params):
        defaults = dict.fromkeys(["groups", "group_column", "data_folder"], None)
        snakemake = SimpleNamespace(
            input=SimpleNamespace(
                registry=registry,
                groups=MAPPING,
                go_gene_sets=go_gene_sets,
                counts=text_file(tmp_path / "counts.tsv", COUNTS),
                samples=text_file(tmp_path / "samples.tsv", SHEET),
            ),
            output=SimpleNamespace(counts=tmp_path / "c.h5ad", source=tmp_path / "c.json"),
            params=SimpleNamespace(
                **defaults | {"datasets": ["GSE1"], "seed": 3, "cache": tmp_path / "cache"} | params
            ),
            log=[tmp_path / "log"],
            config={"cohorts": {"mine": {"enrichment": {"engine": engine}}}},
            wildcards=SimpleNamespace(cohort="mine"),
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


def test_without_go_gene_sets_the_processes_are_made_up_and_it_says_so(run_script, caplog):
    adata, _ = run_script(go_gene_sets=None, source="synthetic")
    assert adata.var_names.str.startswith("made_up_gene_").all()
    assert adata.uns["truth"]["shared"][0].startswith("made_up_")
    assert "the processes in the cohort are MADE UP" in caplog.text


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

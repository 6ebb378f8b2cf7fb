"""Series matrices of GEO that are a little irregular, and mappings of their labels to groups."""

import gzip

import pytest
from cohort_files import COUNTS, text_file

from mssvae import cohorts
from mssvae.errors import InputError

SERIES = (
    '!Series_title\t"Platelets"\n'
    '!Sample_title\t"s1"\t"s2"\t"s3"\t"s4"\n'
    '!Sample_geo_accession\t"GSM1"\t"GSM2"\t"GSM3"\t"GSM4"\n'
    '!Sample_characteristics_ch1\t"disease: none"\t"disease: none"'
    '\t"disease: flu"\t"disease: flu"\n'
    '!Sample_characteristics_ch1\t"batch: 1"\t"batch: 2"\t"batch: 3"\t"batch: 4"\n'
    "!series_matrix_table_begin\n"
)
MAPPING = "label\tgroup\treason\nnone\tHealthy\t\nflu\tFlu\t\n"


def read(tmp_path, series):
    return cohorts.read_series_matrix(text_file(tmp_path / "series.txt.gz", series), "title")


def read_cohort(tmp_path, series=SERIES, mapping=MAPPING, label="disease", name="map.tsv"):
    folder = tmp_path / "data" / "GSE1"
    folder.mkdir(parents=True, exist_ok=True)
    text_file(folder / "counts.txt.gz", COUNTS)
    text_file(folder / "series.txt.gz", series)
    counts, samples = (
        cohorts.RegistryFile(name, f"http://127.0.0.1:9/{name}")
        for name in ("counts.txt.gz", "series.txt.gz")
    )
    dataset = cohorts.Dataset("GSE1", "Platelets", "Nobody", "title", label, counts, [samples])
    path = text_file(tmp_path / name, mapping)
    return cohorts.from_geo([dataset], path, data_folder=tmp_path / "data", cache=tmp_path)


# ---- Series matrices ----


@pytest.mark.parametrize(
    "series",
    [
        SERIES,
        "\ufeff" + SERIES.split("\n", 1)[1],
        SERIES.replace("\n", "\t\n"),
        SERIES.replace("\n", "\r\n"),
        SERIES.replace('"', ""),
        SERIES.replace("disease: flu", "Disease :\u00a0flu "),
        SERIES.replace('"batch: 2"', '"disease: none"'),
        SERIES.replace('"batch: 2"', '"disease: "'),
        SERIES.replace("batch:", "title:"),
        '!Series_sample_id\t"' + "GSM1 " * 40_000 + '"\n' + SERIES,
        SERIES + '"ID_REF"\t"GSM1\n!Sample_title\n',
    ],
    ids=[
        "plain",
        "byte order mark",
        "tabs at line ends",
        "lines of Windows",
        "no quotes",
        "keys in two spellings",
        "a value twice",
        "a key without a value",
        "a key that is a field",
        "a field of many samples",
        "a table",
    ],
)
def test_an_irregular_series_matrix_is_read(tmp_path, series):
    assert read(tmp_path, series)["disease"].to_dict() == {
        "s1": "none",
        "s2": "none",
        "s3": "flu",
        "s4": "flu",
    }


def test_a_characteristic_called_geo_accession_stands_beside_the_accession(tmp_path):
    samples = read(tmp_path, SERIES.replace("batch:", "GEO_accession:"))
    assert samples["geo_accession"].tolist() == ["GSM1", "GSM2", "GSM3", "GSM4"]
    assert samples["geo_accession:ch1"].tolist() == ["1", "2", "3", "4"]


def test_values_of_a_key_that_a_sample_has_twice_are_joined_and_in_the_log(tmp_path, caplog):
    samples = read(tmp_path, SERIES.replace("batch: 2", "disease: flu"))
    assert samples["disease"].tolist() == ["none", "none; flu", "flu", "flu"]
    assert "series.txt.gz: 1 characteristics of a sample have several values" in caplog.text
    assert "'disease' of 's2': 'none; flu'" in caplog.text


def test_a_sample_with_two_diagnoses_has_no_group_unless_the_mapping_says_which(tmp_path):
    series = SERIES.replace("batch: 2", "disease: flu")
    with pytest.raises(
        InputError, match=r"'disease' of GSE1 are not in the mapping: 'none; flu' .*\(s2\)"
    ):
        read_cohort(tmp_path, series)
    adata = read_cohort(tmp_path, series, MAPPING + "none; flu\tHealthy\t\n")
    assert adata.obs["group"].tolist() == ["Healthy", "Healthy", "Flu", "Flu"]


def test_a_characteristic_without_a_key_is_passed_over_and_in_the_log(tmp_path, caplog):
    samples = read(tmp_path, SERIES.replace("batch: 2", "female"))
    assert samples["batch"].tolist() == ["1", "", "3", "4"]
    assert "series.txt.gz: 1 characteristics are not 'key: value' and are passed" in caplog.text
    assert "'female' of 's2'" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('\t"batch: 4"', ""),
            "line 5, !Sample_characteristics_ch1, has 3 cells for the 4 samples",
        ),
        (('"batch: 4"', '"batch: 4"\t"x"'), "line 5, .* has 5 cells for the 4 samples"),
        (('"batch: 2"', '"batch: 2'), "line 5, .* has 3 cells for the 4 samples"),
        (('\t"s4"', ""), "line 2, !Sample_title, has 3 cells for the 4 samples"),
        (('"s4"', '""'), "line !Sample_title has no name for the sample 'GSM4': choose another"),
        (("!Sample_geo", "!Sample_title\n!Sample_geo"), "there are 2 lines !Sample_title"),
        (("!Sample_geo_accession", "!Sample_x"), "no line !Sample_geo_accession"),
        ((SERIES, "<!DOCTYPE html>\n<html>"), "the content is a web page"),
        (
            (SERIES, "^SERIES = GSE1\n"),
            "is it a series matrix\\? Its first line is '.SERIES = GSE1'",
        ),
    ],
)
def test_a_damaged_series_matrix_is_an_error_that_names_the_line(tmp_path, change, message):
    with pytest.raises(InputError, match=rf"series\.txt\.gz: .*{message}"):
        read(tmp_path, SERIES.replace(*change))


def test_a_truncated_series_matrix_is_an_error_that_names_it(tmp_path):
    (tmp_path / "series.txt.gz").write_bytes(gzip.compress(SERIES.encode())[:-9])
    with pytest.raises(InputError, match=r"series\.txt\.gz: .*truncated"):
        cohorts.read_series_matrix(tmp_path / "series.txt.gz", "title")


def test_capitals_do_not_count_in_the_label_of_the_registry(tmp_path):
    assert read_cohort(tmp_path, label="Disease").obs["label"].tolist()[0] == "none"


def test_samples_of_a_series_are_matched_with_the_names_of_a_tool(tmp_path, caplog):
    adata = read_cohort(tmp_path, SERIES.replace('"s', '"S'))
    assert adata.obs["group"].tolist() == ["Healthy", "Healthy", "Flu", "Flu"]
    assert "4 samples of the count matrix have other names here" in caplog.text


# ---- Mappings ----


@pytest.mark.parametrize(
    ("mapping", "name"),
    [
        (MAPPING.replace("\t", ","), "map.csv"),
        (MAPPING.replace("\t", ";"), "map.tsv"),
        ("\ufeff# by us\n" + MAPPING + "\t\t\n", "map.tsv"),
        (MAPPING.replace("flu\t", " FLU\u00a0\t"), "map.tsv"),
        (MAPPING.replace("\t\n", "\n"), "map.tsv"),
    ],
    ids=["commas", "semicolons", "comments", "blanks and capitals", "short lines"],
)
def test_a_mapping_is_read_as_programs_write_it(tmp_path, mapping, name):
    adata = read_cohort(tmp_path, mapping=mapping, name=name)
    assert adata.obs["group"].tolist() == ["Healthy", "Healthy", "Flu", "Flu"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("Healthy\t\nflu\tFlu\t", "\tno\nflu\t\tno"),
            "all 4 samples are left out: give a gro.*'fl",
        ),
        (("Healthy", "#N/A"), "the label 'none' has no group in line 2"),
        (("Flu", "healthy"), "the groups 'Healthy' .* and 'healthy' .* differ only in capitals"),
        (("Flu", "a/b"), "rename 'a/b'"),
        (("flu\t", "none \t"), "the label 'none' occurs twice, again in line 3"),
        (("Flu\t", "Flu\t\tx"), "line 3 has 4 cells but the heading"),
    ],
)
def test_a_mapping_that_makes_no_groups_is_an_error_that_names_it(tmp_path, change, message):
    with pytest.raises(InputError, match=rf"map\.tsv.*: .*{message}"):
        read_cohort(tmp_path, mapping=MAPPING.replace(*change))


def test_labels_of_a_mapping_that_no_sample_has_are_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO")
    read_cohort(tmp_path, mapping=MAPPING + "gout\tGout\t\n")
    assert "map.tsv: no sample has 1 labels, such as gout" in caplog.text

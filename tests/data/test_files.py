import pandas as pd
import pytest

from mssvae.data.files import read_table, write_table

LOOK_LIKE_OTHERS = ["1", "002", "NA", "None", "nan", "True", "1e5", "#n/a"]


@pytest.mark.parametrize("column", ["group", "study", "gene", "sample", "label", "set", "geneID"])
@pytest.mark.parametrize("names", [["1", "2"], ["1", "2", "NA", "None"], LOOK_LIKE_OTHERS])
def test_names_stay_what_they_were(column, names, tmp_path):
    table = pd.DataFrame({column: names, "counts": range(len(names)), "kept": True})
    write_table(table, tmp_path / "table.tsv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.tsv"), table)


def test_names_of_rows_and_columns_stay_what_they_were(tmp_path):
    genes = pd.Index(LOOK_LIKE_OTHERS, name="gene")
    masks = pd.DataFrame(0.5, index=genes, columns=["shared_01", "1_01", "NA_01"])
    write_table(masks, tmp_path / "masks.tsv.gz", index=True)
    pd.testing.assert_frame_equal(read_table(tmp_path / "masks.tsv.gz", index="gene"), masks)


def test_empty_cells_are_missing_values(tmp_path):
    table = pd.DataFrame({"factor": ["shared_01", "NA_01"], "study": [None, "NA"], "kl": [None, 1]})
    write_table(table, tmp_path / "table.tsv")
    read = read_table(tmp_path / "table.tsv")
    assert read["study"].isna().tolist() == [True, False]
    assert read["kl"].isna().tolist() == [True, False]


def test_the_suffix_decides_on_the_separator(tmp_path):
    scores = pd.DataFrame({"method": ["1", "NA"], "value": [0.5, 1]})
    write_table(scores, tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text() == "method,value\n1,0.5\nNA,1.0\n"
    pd.testing.assert_frame_equal(read_table(tmp_path / "scores.csv"), scores)

"""Sample sheets as spreadsheet programs, R and people write them, and the groups in them."""

import pytest
from cohort_files import COUNTS, text_file

from mssvae import cohorts
from mssvae.errors import InputError

SHEET = "sample\tgroup\ns1\twell\ns2\twell\ns3\tsick\ns4\tsick\n"


def read(tmp_path, sheet, name="samples.tsv", column="group", groups=None):
    counts = text_file(tmp_path / "counts.tsv", COUNTS)
    return cohorts.from_files(counts, text_file(tmp_path / name, sheet), column, groups)


def groups_of(tmp_path, *groups):
    lines = "".join(f"s{i}\t{group}\n" for i, group in enumerate(groups, 1))
    return read(tmp_path, f"sample\tgroup\n{lines}").obs["group"]


# ---- Layout ----


R_BLANKS = '"group" "age"\n"s1" "well" 50\n"s2" "well" 60\n"s3" "sick" 50\n"s4" "sick" 60\n'


@pytest.mark.parametrize(
    "sheet",
    [
        SHEET.replace("s1", "s1 ").replace("s2", "  s2"),
        SHEET.replace("s1", "s1\u00a0").replace("s2", "\u200bs2"),
        "\ufeff" + SHEET,
        SHEET.replace("\n", "\r\n"),
        SHEET.replace("group", " group "),
        SHEET.replace("group", "Group"),
        SHEET + "\t\n \t\t\n\n",
        SHEET.replace("\t", "\t\t"),
        "".join(f"\t{line}\n" for line in SHEET.splitlines()),
        SHEET.replace("l\n", "l\t\n").replace("k\n", "k\t\t\n"),
        SHEET.removeprefix("sample\t"),
        SHEET.replace("sample", ""),
        R_BLANKS,
        R_BLANKS.replace(" ", "\t"),
        "# sequenced in May\n" + SHEET,
        "# of May,\tby us\n\n" + SHEET + "# the end\n",
        "#" + SHEET,
        "# by us\n#" + SHEET,
        SHEET.replace("\t", ";"),
        SHEET.replace("\t", ","),
        SHEET.replace("\t", "|"),
        "sep=;\r\n" + SHEET.replace("\t", ";"),
        '"sample"\t"group"\n' + SHEET.split("\n", 1)[1],
    ],
    ids=[
        "blanks around names",
        "blanks that are not seen",
        "byte order mark",
        "lines of Windows",
        "blanks around a heading",
        "a heading in capitals",
        "empty rows",
        "an empty column",
        "an empty first column",
        "separators at line ends",
        "row names and one column",
        "no name of the first column",
        "row names, blanks between cells",
        "row names",
        "a comment",
        "comments above and below",
        "a heading that begins with #",
        "a comment and such a heading",
        "semicolons",
        "commas",
        "bars",
        "a line that names the separator",
        "quotes",
    ],
)
@pytest.mark.parametrize("name", ["samples.tsv", "samples.tsv.gz"])
def test_a_sheet_is_read_as_programs_write_it(tmp_path, sheet, name):
    assert read(tmp_path, sheet, name).obs["group"].tolist() == ["well", "well", "sick", "sick"]


def test_another_separator_than_that_of_the_name_is_in_the_log(tmp_path, caplog):
    read(tmp_path, SHEET.replace("\t", ";"), "samples.csv")
    assert "samples.csv: semicolons separate its cells, not commas" in caplog.text


def test_comments_that_are_passed_over_are_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO")
    read(tmp_path, SHEET + "# the end\n")
    assert "samples.tsv: 1 lines begin with # and are passed over, such as line 6" in caplog.text


def test_a_sample_or_a_group_may_begin_with_a_hash(tmp_path):
    counts = text_file(tmp_path / "counts.tsv", COUNTS.replace("s", "#"))
    sheet = text_file(tmp_path / "samples.tsv", SHEET.replace("\ns", "\n#").replace("sick", "#1"))
    adata = cohorts.from_files(counts, sheet, "group")
    assert adata.obs["group"].to_dict() == {"#1": "well", "#2": "well", "#3": "#1", "#4": "#1"}


def test_names_of_rows_are_in_the_log(tmp_path, caplog):
    read(tmp_path, R_BLANKS)
    assert "taken for the name of the row, so that 's1' has group = 'well'" in caplog.text


def test_a_column_that_is_there_twice_with_the_same_cells_is_read(tmp_path):
    sheet = "".join(f"{line}\t{line.split()[1]}\n" for line in SHEET.splitlines())
    assert read(tmp_path, sheet).obs["group"].tolist() == ["well", "well", "sick", "sick"]


def test_a_column_without_a_name_is_left_out_and_in_the_log(tmp_path, caplog):
    read(tmp_path, SHEET.replace("group", "group\t").replace("sick", "sick\tperhaps"))
    assert "samples.tsv: 1 columns have no name and are left out" in caplog.text


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (
            "sample\tgroup\tgroup\ns1\ta\tb\ns2\ta\ta\ns3\tb\tb\ns4\tb\tb\n",
            "the column 'group' is there more than once, .* the sample 's1': rename or remove",
        ),
        (SHEET.replace("s2\twell", "s2\twell\tx"), "line 3 has 3 cells but the heading, 'sample"),
        (SHEET + "\tsick\n", "line 6 has cells but no sample name, which must be in the first"),
        (SHEET + "s1\twell\n", "such as 's1' in lines 2, 6: the first column, 'sample', must"),
        (
            "group\tsample\nwell\ts1\nwell\ts2\nsick\ts3\nsick\ts4\n",
            "2 sample names occur more than once, such as 'well' .* first column, 'group', must",
        ),
        (SHEET.replace("well", '"well', 1), "line 2 cannot be split into cells by tabs .* quotat"),
        ("My study\n\n" + SHEET, r"no 'group' .* headings \(first line\): name one of My study"),
        ("sample\tgroup\n", "4 samples .* are not described, such as 's1': nothing else is"),
        ("\n \t\n", "not a table of samples: there is no line with text"),
        (
            "\tsample\tgroup\n1\ts1\twell\n2\ts2\twell\n3\ts3\tsick\n4\ts4\tsick\n",
            "described are '1', '2', '3', ..., but the column 'sample' has the names, and must",
        ),
    ],
)
def test_a_sheet_that_can_be_misread_is_an_error_that_says_where(tmp_path, sheet, message):
    with pytest.raises(InputError, match=rf"samples\.tsv: .*({message})"):
        read(tmp_path, sheet)


def test_the_first_column_is_no_group(tmp_path):
    with pytest.raises(
        InputError, match=r"first column, 'sample', names the samples: name another"
    ):
        read(tmp_path, SHEET, column="sample")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("samples.xlsx", b"PK\x03\x04", r"samples\.xlsx: unknown kind of file"),
        ("samples.csv", b"PK\x03\x04", r"samples\.csv: the content is .* a workbook"),
        ("samples.tsv", b"<!DOCTYPE html>\n<html>", r"samples\.tsv: the content is a web page"),
        ("samples.tsv", SHEET.replace("well", "w\0").encode(), "line 2 has null bytes"),
    ],
)
def test_a_file_that_is_no_sheet_is_an_error_that_says_what_it_is(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        cohorts.read_sample_sheet(tmp_path / name)


def test_a_sheet_in_utf_16_is_read(tmp_path):
    (tmp_path / "samples.txt").write_bytes(SHEET.encode("utf-16"))
    assert cohorts.read_sample_sheet(tmp_path / "samples.txt").loc["s3", "group"] == "sick"


# ---- Groups ----


NO_GROUP = ["", "-", "--", "–", "?", ".", "<NA>", "N.A.", "nan", "null", "#NV", "Err:502", "####"]
ERRORS = ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#BEZUG!"]


@pytest.mark.parametrize("cell", NO_GROUP + ERRORS)
def test_errors_of_spreadsheets_and_marks_stand_for_no_group(tmp_path, cell):
    with pytest.raises(InputError, match=r"samples\.tsv: 2 samples have no group \(s1, s2\), but "):
        groups_of(tmp_path, cell, cell, "sick", "sick")


@pytest.mark.parametrize("group", ["None", "unknown", "+", "HER2-", "#1", "n", "A?"])
def test_names_that_may_be_groups_are(tmp_path, group):
    assert groups_of(tmp_path, group, group, "sick", "sick").tolist()[:2] == [group] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Healthy", "healthy"),
        ("Non small", "Non-small"),
        ("non_small", "nonsmall"),
        ("IL-10", "IL10"),
        ("Lupus", "Lupus."),
        ("stage 1-2", "Stage 1_2"),
        ("type Ⅱ", "type II"),
    ],
)
def test_one_group_written_in_two_ways_is_an_error_that_names_both(tmp_path, one, other):
    with pytest.raises(InputError, match=rf"samples\.tsv: the groups '{one}' .*s1.* and '{other}'"):
        groups_of(tmp_path, one, one, other, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("HER2+", "HER2-"), ("stage 1-2", "stage 12"), ("grade 1.5", "grade 15"), ("A", "B")],
)
def test_groups_that_marks_tell_apart_are_two(tmp_path, one, other):
    assert groups_of(tmp_path, one, one, other, other).tolist() == [one, one, other, other]


def test_blanks_within_a_group_count_once(tmp_path):
    groups = groups_of(tmp_path, "lung cancer", "lung  cancer", "lung\u00a0cancer", "lung cancer ")
    assert set(groups) == {"lung cancer"}


@pytest.mark.parametrize("group", ["COPD/asthma", "shared", "shared_sick", "sick_shared"])
def test_a_group_that_the_model_refuses_is_refused_here(tmp_path, group):
    with pytest.raises(InputError, match=rf"samples\.tsv: .*: rename ('{group}'|one)"):
        groups_of(tmp_path, "sick", "sick", group, group)


def test_more_groups_than_figures_can_show_are_refused_here(tmp_path):
    names = [f"s{i}" for i in range(50)]
    counts = "\t".join(["", *names]) + "\ng" + "\t1" * 50 + "\n"
    sheet = "sample\tgroup\n" + "".join(f"{name}\tgroup {i % 25}\n" for i, name in enumerate(names))
    with pytest.raises(InputError, match=r"samples\.tsv: 25 groups, .* at most 24"):
        cohorts.from_files(
            text_file(tmp_path / "counts.tsv", counts),
            text_file(tmp_path / "samples.tsv", sheet),
            "group",
        )

"""Samples whose names tools have changed in the counts or in the sample sheet."""

import pytest
from cohort_files import text_file

from mssvae import cohorts
from mssvae.errors import InputError

PLAIN = ["s1", "s2", "s3", "s4"]


def read(tmp_path, counted, described):
    counts = "\t".join(["gene", *counted]) + "\ng\t" + "\t".join("1234"[: len(counted)]) + "\n"
    lines = "".join(f"{name}\t{'ab'[i // 2 % 2]}\n" for i, name in enumerate(described))
    return cohorts.from_files(
        text_file(tmp_path / "counts.tsv", counts),
        text_file(tmp_path / "samples.tsv", f"sample\tgroup\n{lines}"),
        "group",
    )


@pytest.mark.parametrize(
    ("counted", "described"),
    [
        (["p.1", "p.2", "p.3", "p.4"], ["p-1", "p-2", "p-3", "p-4"]),
        (["p..1.", "p..2.", "p..3.", "p..4."], ["p (1)", "p (2)", "p (3)", "p (4)"]),
        (["X001", "X002", "X003", "X004"], ["001", "002", "003", "004"]),
        (["X1a", "b.2", "c", "X.4"], ["1a", "b 2", "c", "-4"]),
        (["001", "002", "003", "004"], ["X001", "X002", "X003", "X004"]),
        (["S1", "S2", "S3", "S4"], PLAIN),
        (["u\u0308_1", "ü_2", "ü_3", "ü_4"], ["ü_1", "ü_2", "ü_3", "ü_4"]),
        ([f"{name}_counts" for name in PLAIN], PLAIN),
        ([f"/data/run 1/{name}.sorted.bam" for name in PLAIN], PLAIN),
        ([f"X.data.run.{name}.bam" for name in PLAIN], PLAIN),
        ([f"out/{name}/Aligned.out.bam" for name in PLAIN], PLAIN),
        ([f"out/{name}/{name}.bam" for name in PLAIN], PLAIN),
        ([f"{name}Aligned.sortedByCoord.out.bam" for name in PLAIN], PLAIN),
        (PLAIN, [f"{name}.fastq.gz" for name in PLAIN]),
    ],
)
def test_a_sample_that_a_tool_renamed_is_matched_and_in_the_log(
    tmp_path, caplog, counted, described
):
    adata = read(tmp_path, counted, described)
    assert adata.obs_names.tolist() == counted
    assert adata.obs["group"].tolist() == ["a", "a", "b", "b"]
    assert f"other names here and were matched, such as {counted[0]!r} with" in caplog.text
    assert repr(described[0]) in caplog.text


def test_samples_are_matched_by_name_not_by_order(tmp_path):
    adata = read(tmp_path, ["X4", "X2", "X3", "X1"], ["1", "2", "3", "4"])
    assert adata.obs["group"].to_dict() == {"X1": "a", "X2": "a", "X3": "b", "X4": "b"}


def test_an_equal_name_goes_before_all_others(tmp_path):
    adata = read(tmp_path, ["s1", "S1", "s2", "S2"], ["S2", "s1", "s2", "S1"])
    assert adata.obs["group"].to_dict() == {"S2": "a", "s1": "a", "s2": "b", "S1": "b"}


@pytest.mark.parametrize(
    ("counted", "described", "message"),
    [
        (["p.1", "p.2"], ["p-1", "p_1", "p-2"], "1 samples .* 'p.1': described are 'p-1', 'p_1'"),
        (["p.1", "p-1"], ["p_1", "p 2"], "2 samples .* 'p.1': described are 'p_1', 'p 2'"),
        (["s1", "s1_relapse"], ["s1", "s2"], "1 samples .* 's1_relapse': described are 's2'"),
        (["s11", "s12"], ["1", "2"], "2 samples .* 's11': described are '1', '2'"),
        (["a1", "a2"], ["b1", "b2"], "2 samples .* 'a1': described are 'b1', 'b2'"),
    ],
    ids=["two fit", "one fits two", "another sample of a patient", "numbers", "others"],
)
def test_samples_that_do_not_match_for_sure_are_named_with_what_is_described(
    tmp_path, counted, described, message
):
    with pytest.raises(InputError, match=rf"samples\.tsv: {message}"):
        read(tmp_path, counted, described)


def test_rows_that_are_numbered_are_not_matched_with_samples(tmp_path):
    counts = text_file(tmp_path / "counts.tsv", "\ts1\ts2\ts3\ts4\ng\t1\t2\t3\t4\n")
    sheet = '"","sample","group"\n"1","s4","a"\n"2","s3","a"\n"3","s2","b"\n"4","s1","b"\n'
    with pytest.raises(InputError, match="the column 'sample' has the names, and must be the firs"):
        cohorts.from_files(counts, text_file(tmp_path / "samples.csv", sheet), "group")

import gzip
import json
import logging
import os
import subprocess
import sys
from fractions import Fraction
from math import comb

import numpy as np
import pandas as pd
import pytest

from mssvae import InputError
from mssvae.enrichment import (
    _checks,
    _over_representation,
    _python,
    _r,
    check_gene_ids,
    gene_names,
    go_gene_sets,
    max_sets,
    over_representation,
    read_gmt,
    summarise,
    top_processes,
    write_gmt,
)
from mssvae.pipeline import annotation

COLUMNS = [
    *("set", "ID", "Description", "GeneRatio", "BgRatio", "pvalue", "p.adjust", "qvalue"),
    *("geneID", "Count", "FoldEnrichment"),
]
# Thrombin, fibrinogen alpha, tissue factor and factor IX.
CLOTTING = [
    "ENSG00000180210",
    "ENSG00000171560",
    "ENSG00000117525",
    "ENSG00000101981",
]  # F2 FGA ...


pytestmark = pytest.mark.usefixtures("r")


def has_clusterprofiler() -> bool:
    return annotation.has_r() and _r.installed_version(_r.load_functions(), "clusterProfiler") != ""


# Against the tables of the real enrichGO


@pytest.fixture(scope="module")
def golden_sets(golden_folder):
    with gzip.open(golden_folder / "enrichment" / "gene_sets.json.gz") as stream:
        return json.load(stream)


@pytest.fixture(scope="module")
def golden_universe(golden_folder):
    path = golden_folder / "enrichment" / "universe.txt.gz"
    return gzip.decompress(path.read_bytes()).decode().split()


@pytest.fixture(scope="module")
def golden_runs(golden_folder):
    return pd.read_csv(golden_folder / "enrichment" / "golden_runs.tsv", sep="\t")


@pytest.fixture(scope="module")
def tested_sets(golden_sets, golden_universe):
    return over_representation(golden_sets, golden_universe, engine="base")


def assert_reproduces(terms, golden_path):
    golden = pd.read_csv(golden_path, sep="\t", keep_default_na=False, float_precision="round_trip")
    assert list(terms.columns) == COLUMNS
    exact = ["set", "ID", "Description", "GeneRatio", "BgRatio", "geneID", "Count"]
    pd.testing.assert_frame_equal(terms[exact], golden[exact])
    for column in ["pvalue", "p.adjust", "qvalue", "FoldEnrichment"]:
        np.testing.assert_allclose(terms[column], golden[column], rtol=1e-10, atol=0)


@pytest.fixture(scope="module")
def go_annotation(r, tmp_path_factory):
    """R's annotation, by way of a file."""
    path = tmp_path_factory.mktemp("go") / "go_bp.gmt.gz"
    write_gmt(go_gene_sets(), path)
    return read_gmt(path)


def test_python_engine_reproduces_clusterprofiler(
    go_annotation, golden_sets, golden_universe, golden_folder
):
    terms = over_representation(
        golden_sets, golden_universe, engine="python", annotation=go_annotation
    )
    assert_reproduces(terms, golden_folder / "enrichment" / "golden_enrichGO.tsv.gz")


def test_python_engine_reproduces_clusterprofiler_without_universe(
    go_annotation, golden_sets, golden_runs, golden_folder
):
    names = golden_runs.loc[golden_runs["table"] == "default", "set"]
    sets = {name: golden_sets[name] for name in names}
    terms = over_representation(sets, engine="python", annotation=go_annotation)
    assert_reproduces(
        terms, golden_folder / "enrichment" / "golden_enrichGO_default_universe.tsv.gz"
    )


@pytest.mark.parametrize("adjust", _over_representation.ADJUSTMENTS)
def test_python_engine_adjusts_as_r_does(adjust):
    from rpy2 import robjects

    p = np.random.default_rng(2).beta(0.3, 1, 60).round(3)  # With ties.
    expected = robjects.r["p.adjust"](robjects.FloatVector(p), adjust)
    np.testing.assert_allclose(_python.adjusted(p, adjust), expected, rtol=1e-12)


def test_base_engine_reproduces_clusterprofiler(tested_sets, golden_folder):
    assert_reproduces(tested_sets, golden_folder / "enrichment" / "golden_enrichGO.tsv.gz")


def test_base_engine_reproduces_clusterprofiler_without_universe(
    golden_sets, golden_runs, golden_folder
):
    names = golden_runs.loc[golden_runs["table"] == "default", "set"]
    terms = over_representation({name: golden_sets[name] for name in names}, engine="base")
    assert_reproduces(
        terms, golden_folder / "enrichment" / "golden_enrichGO_default_universe.tsv.gz"
    )


def test_summary_has_a_row_for_every_set_and_zeros_where_clusterprofiler_gives_null(
    tested_sets, golden_sets, golden_runs
):
    runs = golden_runs[golden_runs["table"] == "universe"].set_index("set")
    summary = summarise(tested_sets, golden_sets).set_index("set")
    assert list(summary.index) == list(golden_sets)
    assert (summary["n_terms"] == runs["rows"].reindex(summary.index)).all()
    null = summary[runs["null"].reindex(summary.index)]
    assert set(null.index) == {"tiny_1_unannotated", "empty", "unannotated_only"}
    assert (null[["n_annotated", "n_terms", "n_enriched"]] == 0).all(axis=None)
    assert null[["top_term", "top_p_adjust"]].isna().all(axis=None)
    assert summary.loc["duplicates", ["n_genes", "n_annotated"]].tolist() == [60, 60]


@pytest.mark.skipif(
    "not has_clusterprofiler()",
    reason="clusterProfiler: R has none (conda: bioconductor-clusterprofiler=4.10.0)",
)
def test_engines_agree(golden_sets, golden_universe):
    some = {name: golden_sets[name] for name in ["planted_01", "tiny_1", "empty", "outside_mixed"]}
    base = over_representation(some, golden_universe, engine="base")
    real = over_representation(some, golden_universe, engine="clusterprofiler")
    assert real.attrs["engine"]["engine"] == "clusterprofiler"
    pd.testing.assert_frame_equal(base, real, rtol=1e-10, atol=0)


# Against a literal reference


TINY_TERMS = ["GO:0006412", "GO:0006954", "GO:0006955", "GO:0007049", "GO:0007596", "GO:0007599"]


def tiny_annotation() -> list[tuple[str, str]]:
    rng = np.random.default_rng(5)
    genes = [f"g{number:02d}" for number in range(20)]
    return sorted(
        (term, str(gene))
        for term, size in zip(TINY_TERMS, [1, 3, 5, 8, 10, 19], strict=True)
        for gene in rng.choice(genes, size, replace=False)
    )


def literal_test(query, universe, annotation, min_size, max_size) -> pd.DataFrame:
    """Follow the rules one by one, with exact fractions."""
    annotated = {gene for _, gene in annotation}
    query = [gene for gene in dict.fromkeys(query) if gene in annotated]
    background = annotated if universe is None else annotated & set(universe)
    n, total = len(query), len(background)
    rows = []
    for term in sorted({term for term, _ in annotation}):
        genes = {gene for other, gene in annotation if other == term}
        size = len(genes & background)
        if not genes & set(query) or not min_size <= size <= max_size:
            continue
        hits = [gene for gene in query if gene in genes & background]
        ways = sum(
            comb(size, k) * comb(total - size, n - k)
            for k in range(len(hits), min(size, n) + 1)
            if n - k <= total - size
        )
        p = Fraction(ways, comb(total, n))
        rows.append((p, term, f"{len(hits)}/{n}", f"{size}/{total}", "/".join(hits), len(hits)))
    rows.sort()
    tests = len(rows)
    harmonic = sum(Fraction(1, rank) for rank in range(1, tests + 1))
    step_up = [
        min(p * tests / rank for rank, (p, *_) in list(enumerate(rows, 1))[place:])
        for place in range(tests)
    ]
    null_share = min(
        Fraction(1), Fraction(sum(p >= 0.05 for p, *_ in rows), max(tests, 1)) / Fraction("0.95")
    )
    table = pd.DataFrame(rows, columns=["pvalue", "ID", "GeneRatio", "BgRatio", "geneID", "Count"])
    table["p.adjust"] = [min(Fraction(1), harmonic * value) for value in step_up]
    table["qvalue"] = [null_share * min(Fraction(1), value) for value in step_up]
    if null_share == 0 or tests == 1:
        table["qvalue"] = np.nan
    return table.astype({"pvalue": float, "p.adjust": float, "qvalue": float})


@pytest.mark.parametrize("universe", [None, [f"g{number:02d}" for number in range(3, 20)] + ["x"]])
def test_base_engine_agrees_with_exact_fractions(universe):
    from rpy2.robjects import DataFrame

    annotation = tiny_annotation()
    terms, genes = zip(*annotation, strict=True)
    gene_sets = {
        "shuffled": ["g17", "g03", "g11", "g05", "g09", "unknown"],
        "two": ["g01", "g08"],
        "outside": ["g00", "g02"],
        "all of a term": [gene for term, gene in annotation if term == TINY_TERMS[2]],
        "nothing": [],
        "unknown": ["unknown"],
    }
    functions = _r.load_functions()
    frame = _r.to_pandas(
        functions.base_engine(
            _r.gene_list(gene_sets),
            _r.gene_vector(universe),
            "BY",
            2,
            10,
            annotation=DataFrame(
                {"ID": _r.gene_vector(list(terms)), "gene": _r.gene_vector(list(genes))}
            ),
        ),
        _r.TERM_COLUMNS,
    )
    for name, query in gene_sets.items():
        expected = literal_test(query, universe, annotation, 2, 10)
        got = frame.loc[frame["set"] == name, expected.columns].reset_index(drop=True)
        assert len(expected) > 0 or name in ("nothing", "unknown")
        pd.testing.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-12, atol=0)


# What it returns


@pytest.fixture(scope="module")
def clotting_sets():
    return {"clotting": [*CLOTTING, CLOTTING[0], "no gene"], "empty": []}


@pytest.fixture(scope="module")
def clotting(clotting_sets):
    return over_representation(clotting_sets, engine="base", max_size=300)


def test_the_obvious_process_comes_first(clotting):
    assert "coagulation" in clotting["Description"][0]
    assert clotting["geneID"][0] == "/".join(CLOTTING)
    assert clotting["p.adjust"][0] < 1e-4


def test_fold_enrichment_is_the_quotient_of_the_ratios(clotting):
    row = clotting.iloc[0]
    k, n = map(int, row["GeneRatio"].split("/"))
    size, total = map(int, row["BgRatio"].split("/"))
    assert row["FoldEnrichment"] == pytest.approx(k * total / (n * size), rel=1e-14)


def test_sizes_limit_the_processes_tested(clotting):
    sizes = clotting["BgRatio"].str.split("/").str[0].astype(int)
    assert sizes.between(10, 300).all()
    assert sizes.max() > 250


def test_engine_versions_and_settings_are_told(clotting):
    told = clotting.attrs["engine"]
    assert told["engine"] == "base"
    assert told["adjust"] == "BY"
    assert (told["min_size"], told["max_size"]) == (10, 300)
    assert set(told["packages"]) == {"AnnotationDbi", "org.Hs.eg.db", "GO.db"}
    assert all(version[0].isdigit() for version in [told["R"], *told["packages"].values()])


def test_sets_that_cannot_be_tested_are_rows_of_the_summary_only(caplog):
    gene_sets = {"empty": [], "unknown": ["no gene", "no gene"]}
    with caplog.at_level(logging.INFO, logger="mssvae"):
        terms = over_representation(gene_sets, universe=[*CLOTTING, "x"], engine="base")
    assert list(terms.columns) == COLUMNS
    assert len(terms) == 0
    summary = summarise(terms, gene_sets)
    assert summary["set"].tolist() == ["empty", "unknown"]
    assert summary["n_genes"].tolist() == [0, 1]
    assert summary["n_enriched"].tolist() == [0, 0]
    assert len(top_processes(terms, n=3)) == 0
    assert "2 gene sets with 2 genes: dropped 1 repeated and 1 without GO annotation" in caplog.text
    assert "universe of 5 genes, 4 of them annotated" in caplog.text


def test_go_gene_sets_are_ordered_propagated_and_of_allowed_size():
    table = go_gene_sets(min_size=50, max_size=400)
    assert list(table.columns) == ["ID", "Description", "gene"]
    pd.testing.assert_frame_equal(
        table, table.drop_duplicates().sort_values(["ID", "gene"], ignore_index=True)
    )
    assert table["ID"].value_counts().between(50, 400).all()
    genes = table.groupby("Description")["gene"].agg(set)
    assert set(CLOTTING) <= genes["blood coagulation"] < genes["hemostasis"]


# Genes that a test cannot count


@pytest.fixture
def warned(caplog):
    """Return a function that tells what is logged of gene sets, where a and b are annotated."""

    def warn(gene_sets, universe=None):
        caplog.clear()
        _checks.warn_of_genes_that_do_not_count(gene_sets, universe, {"ENSGA", "ENSGB"})
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    return warn


def test_ordinary_gene_sets_are_no_warning(warned):
    assert warned({"one": ["ENSGA", "other"], "empty": []}, ["ENSGA", "ENSGB", "other"]) == []


def test_sets_without_an_annotated_gene_are_named(warned):
    ((level, text),) = warned({"one": ["x"], "two": ["ENSGA", "x"], "three": ["y", "z"]})
    assert level == "WARNING"
    assert text.startswith("2 gene sets without a gene that has a GO annotation are not tested")
    assert "'one', 'three': give Ensembl ids of human genes without version" in text


@pytest.mark.parametrize("gene", ["ENSGB.12", "ensgb", " ENSGB", "ensgB.1_PAR_Y"])
def test_ids_that_are_written_otherwise_are_told_with_their_set(warned, gene):
    ((_, text),) = warned({"one": ["ENSGA", gene, "x"]})
    assert text.startswith("gene set 'one': 1 of 3 genes are left out, as they are written other")
    assert f"such as {gene!r} for 'ENSGB'" in text
    ((_, text),) = warned({"one": ["ENSGA"]}, ["ENSGA", gene])
    assert text.startswith("the universe: 1 of 2 genes are left out")


def test_genes_outside_the_universe_are_told_with_their_set(warned):
    gene_sets = {"half": ["ENSGA", "ENSGB"], "in": ["ENSGA"], "out": ["ENSGB"]}
    ((_, text),) = warned(gene_sets, ["ENSGA"])
    assert text.startswith("2 gene sets have genes outside the universe")
    assert "'half' (1 of 2), 'out' (1 of 1): give the universe" in text
    ((_, text),) = warned({f"s{k}": ["ENSGB"] for k in range(12)}, ["ENSGA"])
    assert "'s9' (1 of 1) and 2 more: give" in text


def test_sets_may_be_called_by_numbers():
    terms = over_representation({0: CLOTTING, np.int64(1): [], "β-set": CLOTTING}, engine="base")
    assert terms["set"].unique().tolist() == ["0", "β-set"]
    summary = summarise(terms, {0: CLOTTING, "1": [], "β-set": CLOTTING})
    assert summary["set"].tolist() == ["0", "1", "β-set"]
    assert summary["n_annotated"].tolist() == [4, 0, 4]


# Which names of genes it takes


@pytest.mark.parametrize(
    ("gene", "kind"),
    [
        ("TP53", "symbols or other names"),
        ("Trp53", "symbols or other names"),
        ("", "symbols or other names"),
        ("ENSMUSG00000059552", "Ensembl ids of another species"),
        ("ENST00000269305", "Ensembl ids of another species, or not of genes"),
        ("ensg00000141510", "Ensembl ids in other capitals"),
        ("ENSG00000141510.18", "Ensembl ids with a version or another ending"),
        ("ENSG00000182378_PAR_Y", "Ensembl ids with a version or another ending"),
        ("7157", "numbers, as of Entrez"),
    ],
)
def test_names_that_are_no_human_ensembl_ids_are_told(gene, kind, caplog):
    with pytest.raises(InputError, match=rf"cohort x: 1 of 1 genes .*1 {kind}.*engine: none"):
        check_gene_ids([gene], "cohort x")
    check_gene_ids([gene, "ENSG00000141510"], "cohort x")
    assert "cohort x: 1 of 2 genes are not called by an Ensembl id of human genes" in caplog.text
    assert f"{gene!r}" in caplog.text


def test_human_ensembl_ids_are_nothing_to_speak_of(caplog):
    check_gene_ids(["ENSG00000141510", "ENSG00000000419"], "cohort x")
    assert caplog.text == ""


# Which processes the figures show


def table_of(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["set", "ID", "FoldEnrichment", "pvalue", "p.adjust"])


def test_top_processes_drops_what_is_frequent_and_keeps_the_strongest():
    rows = [(f"Z{k}", "GO:common", 99.0, 1e-9, 1e-8) for k in range(20)]
    rows += [(f"Z{k}", "GO:two", 50.0, 1e-9, 1e-8) for k in range(2)]
    rows += [("Z0", "GO:a", 5.0, 1e-5, 1e-4), ("Z0", "GO:b", 7.0, 1e-3, 1e-2)]
    rows += [("Z0", "GO:not_significant", 80.0, 1e-2, 0.05)]
    top = top_processes(table_of(rows), n=2)
    assert top[["set", "ID"]].to_numpy().tolist() == [
        ["Z0", "GO:two"],
        ["Z0", "GO:b"],
        ["Z1", "GO:two"],
    ]
    rows += [("Z2", "GO:two", 50.0, 1e-9, 1e-8)]
    assert "GO:two" not in top_processes(table_of(rows), n=2)["ID"].tolist()
    assert "GO:two" in top_processes(table_of(rows), n=2, n_sets=30)["ID"].tolist()


@pytest.mark.parametrize(("n_sets", "allowed"), [(2, 2), (13, 2), (29, 2), (30, 3), (70, 7)])
def test_a_process_of_two_sets_tells_them_apart_however_few_there_are(n_sets, allowed, caplog):
    sizes = [n for n in (2, 3, 7, 8) if n <= n_sets]
    rows = [(f"Z{k}", f"GO:in_{n}", 9.0, 1e-4, 1e-3) for n in sizes for k in range(n)]
    with caplog.at_level(logging.INFO):
        top = top_processes(table_of(rows), n=9, n_sets=n_sets)
    assert top.groupby("ID").size().max() == allowed == max_sets(n_sets)
    if dropped := len(sizes) - top["ID"].nunique():
        said = f"{dropped} of 4 enriched processes left out, which more than {allowed} of {n_sets}"
        assert said in caplog.text


def test_top_processes_breaks_ties_by_p_value_then_id():
    rows = [
        ("A", name, 2.0, p, 1e-3) for name, p in [("GO:3", 1e-4), ("GO:2", 1e-4), ("GO:1", 1e-3)]
    ]
    assert top_processes(table_of(rows), n=3)["ID"].tolist() == ["GO:2", "GO:3", "GO:1"]


def test_summary_counts_enriched_processes_at_the_rate_asked_for(clotting, clotting_sets):
    enriched = (clotting["p.adjust"] < 0.01).sum()
    summary = summarise(clotting, clotting_sets, fdr=0.01)
    assert 0 < enriched < len(clotting)
    assert summary["n_enriched"].tolist() == [enriched, 0]
    assert summary["top_term"][0] == clotting["Description"][0]
    assert summary["top_p_adjust"][0] == clotting["p.adjust"][0]


def test_summary_refuses_the_table_of_other_gene_sets(clotting):
    with pytest.raises(InputError, match="these gene_sets"):
        summarise(clotting, {"other": CLOTTING})


def test_the_order_of_the_table_does_not_change_the_summary(clotting, clotting_sets):
    expected = summarise(clotting, clotting_sets)
    for changed in (
        clotting.sort_values("Description"),
        clotting[::-1].reset_index(drop=True),
        clotting.set_index("ID", drop=False),
    ):
        pd.testing.assert_frame_equal(summarise(changed, clotting_sets), expected)
    other_order = dict(reversed(clotting_sets.items()))
    assert summarise(clotting, other_order)["set"].tolist() == ["empty", "clotting"]


def test_summary_refuses_a_table_that_was_cut(clotting, clotting_sets):
    for cut in (clotting[clotting["p.adjust"] < 0.05], clotting.head(3), clotting.iloc[:0]):
        with pytest.raises(InputError, match=r"terms is not the whole table .* 'clotting': summar"):
            summarise(cut, clotting_sets)
    twice = pd.concat([clotting, clotting.head(2)])
    twice.attrs = clotting.attrs
    with pytest.raises(InputError, match="terms has 2 rows more than once, such as process 'GO"):
        summarise(twice, clotting_sets)
    with pytest.raises(InputError, match=r"terms has rows without 'set', 'ID'"):
        summarise(clotting.reindex([0, 1, -1]), clotting_sets)
    with pytest.raises(InputError, match=r"terms has no column 'pvalue'"):
        summarise(clotting.drop(columns="pvalue"), clotting_sets)
    with pytest.raises(InputError, match="terms must be a pandas DataFrame, not a ndarray"):
        summarise(clotting.to_numpy(), clotting_sets)


@pytest.mark.parametrize("fdr", [np.nan, -0.1, 5, "0.05", None])
def test_a_rate_that_is_none_is_refused(clotting, clotting_sets, fdr):
    for function in (
        lambda: summarise(clotting, clotting_sets, fdr=fdr),
        lambda: top_processes(clotting, n=3, fdr=fdr),
    ):
        with pytest.raises(InputError, match="fdr must be a finite number, at least 0, at most 1"):
            function()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "n must be a whole number, at least 1"),
        ({"n": 2.5}, "n must be a whole number"),
        ({"max_share": 10}, "max_share must be a finite number, at least 0, at most 1"),
        ({"n_sets": 0}, "n_sets must be a whole number, at least 1"),
    ],
)
def test_numbers_of_processes_out_of_range_are_refused(clotting, settings, message):
    with pytest.raises(InputError, match=message):
        top_processes(clotting, **{"n": 3, **settings})


def test_top_processes_refuses_a_table_with_gaps(clotting):
    gap = clotting.copy()
    gap.loc[1, "p.adjust"] = np.nan
    with pytest.raises(InputError, match=r"terms has rows without 'p\.adjust'"):
        top_processes(gap, n=3)
    with pytest.raises(InputError, match="terms has no column 'FoldEnrichment'"):
        top_processes(clotting.drop(columns="FoldEnrichment"), n=3)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gene_sets": [CLOTTING]}, "gene_sets must be a dict"),
        ({"gene_sets": {"Z1": "ENSG00000180210"}}, "gene set 'Z1' is a str"),
        ({"gene_sets": {"Z1": ["ENSG00000180210", None]}}, "gene set 'Z1' contains None"),
        ({"universe": np.array(CLOTTING)}, "universe is a ndarray"),
        ({"universe": [1, 2]}, "universe contains 1"),
        ({"universe": ["F2", "FGA"]}, "none of the 2 genes of the universe has a GO annotation"),
        ({"universe": CLOTTING[:1]}, "gene set 'Z1' has 4 annotated genes, more than the 1"),
        ({"engine": "topGO"}, "engine is 'topGO'"),
        ({"adjust": "by"}, "adjust is 'by'"),
        ({"min_size": 20, "max_size": 10}, "min_size is 20 and max_size 10"),
        ({"min_size": 0}, "min_size must be a whole number, at least 1, not 0"),
        ({"max_size": "500"}, "max_size must be a whole number, at least 1, not '500'"),
        ({"gene_sets": {0.5: CLOTTING}}, "a gene set has the name 0.5: give text or a whole"),
        ({"gene_sets": {None: CLOTTING}}, "a gene set has the name None"),
        ({"gene_sets": {" ": CLOTTING}}, "a gene set has the name ' '"),
        ({"gene_sets": {1: [], "1": []}}, "1 names of gene sets occur as text and .*: '1'"),
        ({"gene_sets": {"Z1": (gene for gene in CLOTTING)}}, "gene set 'Z1' is a generator"),
        ({"universe": {gene: 1 for gene in CLOTTING}}, "universe is a dict"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        over_representation(**{"gene_sets": {"Z1": CLOTTING}, "engine": "base", **arguments})


def test_engine_choice_prefers_clusterprofiler():
    assert _over_representation._choose_engine("auto", "4.10.0") == "clusterprofiler"
    assert _over_representation._choose_engine("auto", "") == "base"
    assert _over_representation._choose_engine("base", "4.10.0") == "base"


@pytest.mark.parametrize("engine", ["auto", "clusterprofiler"])
@pytest.mark.parametrize("version", ["4.19.0", "4.20.0.1", "5.0.1"])
def test_clusterprofiler_with_other_rules_is_refused(engine, version):
    with pytest.raises(InputError, match=rf"clusterProfiler {version} cuts gene sets"):
        _over_representation._choose_engine(engine, version)


@pytest.mark.skipif("has_clusterprofiler()", reason="clusterProfiler: this tests its absence")
def test_missing_clusterprofiler_is_an_error_when_asked_for():
    with pytest.raises(InputError, match=r"conda: bioconductor-clusterprofiler=4\.10\.0"):
        over_representation({"Z1": CLOTTING}, engine="clusterprofiler")


def run_python(code: str, **environment: str) -> str:
    variables = {**os.environ, **environment}
    result = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    return result.stdout


REPORT_ERROR = """
from mssvae import InputError
from mssvae.enrichment import over_representation
try:
    over_representation({"Z1": ["ENSG00000180210"]})
except InputError as error:
    print(error)
"""


def test_missing_r_is_named_with_what_to_install(tmp_path):
    assert "apt: r-base-core" in run_python(REPORT_ERROR, R_HOME=str(tmp_path))


def test_missing_annotation_packages_are_named_with_what_to_install(tmp_path):
    # Debian keeps these packages in the site library, apart from those of R itself.
    no_packages = {"R_LIBS": "", "R_LIBS_SITE": str(tmp_path), "R_LIBS_USER": str(tmp_path)}
    message = run_python(REPORT_ERROR, **no_packages)
    assert "R packages AnnotationDbi, org.Hs.eg.db, GO.db" in message
    assert "r-bioc-org.hs.eg.db" in message


# Stands in for clusterProfiler, which Debian does not carry: the documented arguments of enrichGO,
# NULL for a set that cannot be tested, an S4 result, and a column that only newer versions have.
STAND_IN = """
setClass("enrichResult", representation(result = "data.frame"))
enrichGO <- function(gene, OrgDb, keyType = "ENTREZID", ont = "MF", pvalueCutoff = 0.05,
                     pAdjustMethod = "BH", universe, qvalueCutoff = 0.2, minGSSize = 10,
                     maxGSSize = 500, readable = FALSE, pool = FALSE) {
  message("--> talkative")
  stopifnot(is(OrgDb, "OrgDb"), is.character(gene), pvalueCutoff == 1, qvalueCutoff == 1)
  if (length(gene) == 0) return(NULL)
  new("enrichResult", result = data.frame(
    row.names = "GO:1", ID = "GO:1", Description = paste(keyType, ont, pAdjustMethod),
    GeneRatio = paste0(length(gene), "/", minGSSize), BgRatio = paste0("2/", maxGSSize),
    RichFactor = 1, pvalue = 0.25, p.adjust = 0.5, qvalue = NA_real_,
    geneID = paste(gene, collapse = "/"), Count = length(gene)))
}
as.data.frame.enrichResult <- function(x, ...) x@result
"""
STAND_IN_NAMESPACE = """
import(methods)
export(enrichGO)
exportClasses(enrichResult)
S3method(as.data.frame, enrichResult)
"""
TEST_WITH_STAND_IN = """
from mssvae.enrichment import over_representation
genes = ["ENSG00000180210", "ENSG00000171560"]
terms = over_representation({"Z1": genes, "empty": []}, universe=genes, adjust="BH", max_size=20)
print(terms.drop(columns="FoldEnrichment").to_csv(sep=" ", index=False))
print(terms["FoldEnrichment"].tolist(), terms.attrs["engine"]["packages"]["clusterProfiler"])
"""


def test_clusterprofiler_engine_calls_enrichgo_and_reads_its_result(tmp_path):
    source = tmp_path / "source"
    (source / "R").mkdir(parents=True)
    (source / "R" / "enrichGO.R").write_text(STAND_IN)
    (source / "NAMESPACE").write_text(STAND_IN_NAMESPACE)
    (source / "DESCRIPTION").write_text("Package: clusterProfiler\nVersion: 4.10.0\n")
    library = tmp_path / "library"
    library.mkdir()
    subprocess.run(
        ["R", "CMD", "INSTALL", "--no-test-load", f"--library={library}", source],
        check=True,
        capture_output=True,
    )
    lines = run_python(TEST_WITH_STAND_IN, R_LIBS=str(library)).splitlines()
    assert lines == [
        " ".join(COLUMNS[:-1]),
        'Z1 GO:1 "ENSEMBL BP BH" 2/10 2/20 0.25 0.5  ENSG00000180210/ENSG00000171560 2',
        "",
        "[2.0] 4.10.0",
    ]


class TestGeneNames:
    def test_symbols_and_names_in_the_order_given(self):
        names = gene_names(["ENSG00000163736", "not a gene", "ENSG00000163737"])
        assert names["gene"].tolist() == ["ENSG00000163736", "not a gene", "ENSG00000163737"]
        assert names["symbol"].tolist() == ["PPBP", "not a gene", "PF4"]
        assert names["name"].tolist()[0] == "pro-platelet basic protein"
        assert pd.isna(names["name"][1])

    def test_genes_that_are_no_list_of_text_are_refused(self):
        for genes in (None, "ENSG00000163736", [1], pd.Index(["ENSG00000163736"])):
            with pytest.raises(InputError, match=r"genes (is a|contains)"):
                gene_names(genes)

    def test_no_gene_known(self):
        names = gene_names(["a", "b"])
        assert names["symbol"].tolist() == ["a", "b"]
        assert names["name"].isna().all()

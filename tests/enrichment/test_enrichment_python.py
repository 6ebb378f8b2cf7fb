"""The engine that needs no R, on a small annotation; test_enrichment.py has the real one."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest
from test_enrichment import literal_test, tiny_annotation

from mssvae import InputError
from mssvae.enrichment import MissingR, _r, over_representation, read_gmt, write_gmt
from mssvae.pipeline import annotation

GO = pd.DataFrame(tiny_annotation(), columns=["ID", "gene"])
GO.insert(1, "Description", "about " + GO["ID"])
SETS = {
    "shuffled": ["g17", "g03", "g11", "g05", "g09", "unknown"],
    "two": ["g01", "g08"],
    "outside": ["g00", "g02"],
    "nothing": [],
    "unknown": ["unknown"],
}


def run(**arguments):
    settings = {"engine": "python", "annotation": GO, "min_size": 2, "max_size": 10}
    return over_representation(SETS, **settings | arguments)


@pytest.fixture
def no_r(monkeypatch):
    def load_functions():
        raise MissingR("R does not start.")

    monkeypatch.setattr(_r, "load_functions", load_functions)


@pytest.mark.parametrize("universe", [None, [f"g{number:02d}" for number in range(3, 20)] + ["x"]])
def test_it_agrees_with_exact_fractions(universe):
    terms = run(universe=universe)
    for name, query in SETS.items():
        expected = literal_test(query, universe, tiny_annotation(), 2, 10)
        got = terms.loc[terms["set"] == name, expected.columns].reset_index(drop=True)
        assert len(expected) > 0 or name in ("nothing", "unknown")
        pd.testing.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-12, atol=0)
    assert (terms["Description"] == "about " + terms["ID"]).all()


def test_rows_that_repeat_or_come_in_another_order_change_nothing():
    mixed = pd.concat([GO, GO.iloc[:7]]).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(run(), run(annotation=mixed))


def test_sets_without_any_process_give_an_empty_table_of_the_same_columns():
    terms = run(min_size=20, max_size=30)
    assert len(terms) == 0
    assert list(terms.columns) == list(run().columns)
    assert len(over_representation({}, engine="python", annotation=GO)) == 0


def test_software_and_settings_are_told():
    told = run().attrs["engine"]
    assert told["engine"] == "python"
    assert set(told["packages"]) == {"scipy", "statsmodels"}
    assert told["n_background"] == GO["gene"].nunique()


def test_auto_without_r_takes_it_and_says_why(no_r, caplog):
    with caplog.at_level(logging.INFO, logger="mssvae"):
        terms = run(engine="auto")
    assert terms.attrs["engine"]["engine"] == "python"
    assert "engine python, as the others cannot be had: R does not start." in caplog.text


@pytest.mark.parametrize("engine", ["auto", "base"])
def test_without_r_and_annotation_both_ways_are_named(no_r, engine):
    with pytest.raises(MissingR, match=r"R does not start\. Or give .* as annotation"):
        run(engine=engine, annotation=None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, "engine 'python' needs annotation"),
        ([1], "annotation must be a pandas DataFrame"),
        (GO.drop(columns="gene"), "annotation has no column 'gene'"),
        (GO.assign(gene=np.nan), "nan.* in column gene is no text"),
    ],
)
def test_another_annotation_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        run(annotation=wrong)


class TestGmt:
    @pytest.mark.parametrize("name", ["go.gmt", "go.gmt.gz"])
    def test_what_was_written_is_read_in_the_same_bytes(self, tmp_path, name):
        write_gmt(GO.sample(frac=1, random_state=1), tmp_path / name)
        table = read_gmt(tmp_path / name)
        pd.testing.assert_frame_equal(table, GO)
        first = (tmp_path / name).read_bytes()
        write_gmt(table, tmp_path / name)
        assert (tmp_path / name).read_bytes() == first

    def test_empty_cells_repeated_genes_and_windows_line_ends_do_not_count(self, tmp_path):
        (tmp_path / "go.gmt").write_text("S2\tdescribed\tb\ta\tb\t\t\r\nS1\t\tc\r\n", newline="")
        table = read_gmt(tmp_path / "go.gmt")
        assert table.to_numpy().tolist() == [
            *(["S1", "", "c"], ["S2", "described", "a"], ["S2", "described", "b"])
        ]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"S1\td\ta\nS2\td\n", "line 2 is no gene set"),
            (b"S1\td\ta\n\n", "line 2 is no gene set"),
            (b"S1\td\ta\nS2\td\tb\nS1\td\tc\n", "lines 1 and 3 have the same id, 'S1'"),
            (b"S1\t\xff\ta\n", "cannot be read .*utf-8"),
            (b"", "no gene sets in it"),
        ],
    )
    def test_what_is_no_gmt_is_refused_with_its_line(self, tmp_path, content, message):
        (tmp_path / "go.gmt").write_bytes(content)
        with pytest.raises(InputError, match=f"go.gmt: .*{message}"):
            read_gmt(tmp_path / "go.gmt")

    def test_a_truncated_or_missing_file_is_named(self, tmp_path):
        (tmp_path / "go.gmt.gz").write_bytes(gzip.compress(b"S1\td\ta\n" * 99)[:-9])
        for name in ("go.gmt.gz", "missing.gmt"):
            with pytest.raises(InputError, match=rf"{name}: gene sets cannot be read"):
                read_gmt(tmp_path / name)


class TestWhereAnnotationComesFrom:
    def test_the_first_file_of_the_folders_is_taken(self, tmp_path):
        folders = [None, tmp_path / "data", tmp_path / "cache"]
        assert annotation.go_file(folders) is None
        for folder, name in (("cache", "go_bp.gmt.gz"), ("data", "go_bp.gmt")):
            path = tmp_path / folder / "GO" / name
            path.parent.mkdir(parents=True)
            path.touch()
            assert annotation.go_file(folders) == str(path)

    def test_r_is_looked_for_in_r_home_then_on_the_path(self, tmp_path, monkeypatch):
        def put_rscript(folder, status):
            folder.mkdir(parents=True)
            (folder / "Rscript").write_text(f"#!/bin/sh\nexit {status}\n")
            (folder / "Rscript").chmod(0o755)

        put_rscript(tmp_path / "home/bin", 0)
        put_rscript(tmp_path / "path", 1)
        monkeypatch.setattr(annotation, "find_spec", lambda name: name)
        monkeypatch.delenv("R_HOME", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not annotation.has_r()
        monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
        assert not annotation.has_r()  # Without the packages.
        monkeypatch.setenv("R_HOME", str(tmp_path / "home"))
        assert annotation.has_r()
        monkeypatch.setattr(annotation, "find_spec", lambda name: None)
        assert not annotation.has_r()  # Without rpy2.

"""The tables of docs/comparison.md."""

import runpy
from pathlib import Path

import pandas as pd

TABLES = runpy.run_path(str(Path(__file__).parents[2] / "docs/comparison_tables.py"))
CONFIG = {
    "methods": {
        "mssvae": {"title": "ours", "file": "mssvae"},
        "linear": {"title": "ours, linear", "file": "mssvae"},
        "dense": {"title": "a dense one", "file": "dense"},
        "sparse": {"title": "a sparse one", "file": "sparse"},
        "slow": {"title": "a slow one", "file": "slow"},
        "other": {"title": "one of counts", "file": "other"},
    },
    "data": {"toy": {"title": "Toy"}},
}
VALUES = {
    "mssvae": {"unseen": -1.0, "entries": 20, "n_factors": 2, "seconds": 9.0},
    "linear": {"unseen": -0.5, "entries": 20, "n_factors": 2, "seconds": 0.1},
    "dense": {"unseen": -1.5, "entries": 200, "n_factors": 2, "seconds": 1.0},
    "sparse": {"unseen": -2.0, "entries": 30, "n_factors": 2, "seconds": 3.0},
}


def measured():
    columns = ["data", "method", "measure", "value", "replicate", "note"]
    rows = [("toy", "slow", "fitted", 0.0, 1, "out of time")]
    rows.append(("toy", "other", "fitted", 0.0, 1, "not for these data: needs counts"))
    for method, of_method in VALUES.items():
        for replicate, shift in ((1, -1), (2, 0), (3, 1)):
            if method == "sparse" and replicate == 3:
                continue
            rows.append(("toy", method, "fitted", 1.0, replicate, None))
            rows += [
                ("toy", method, key, value + shift * (key == "seconds"), replicate, None)
                for key, value in of_method.items()
            ]
    return pd.DataFrame(rows, columns=columns)


def test_a_method_is_a_row_of_medians_or_of_why_there_are_none():
    table = measured()
    lines = TABLES["data_table"]("toy", CONFIG, table, TABLES["medians"](table)).splitlines()
    assert lines[0] == "**Toy**, replicate 1, 2, 3"
    assert lines[2] == "| method | unseen | entries | n factors | seconds |"
    assert lines[4] == "| ours | -1.000 | 20 | 2 | 9.0 |"
    assert lines[7] == "| a sparse one (1, 2) | -2.000 | 30 | 2 | 2.5 |"
    assert lines[8] == "| a slow one (1) | out of time |  |  |  |"
    assert lines[10] == "Not for these data: one of counts (1)."


def test_goals_are_beside_the_best_of_the_others():
    """Other settings of ours are no others; sparse ones have at most half of the entries."""
    line = TABLES["goals_table"](CONFIG, TABLES["medians"](measured())).splitlines()[-1]
    assert line.split(" | ")[3:6] == [
        "-1.000",
        "-1.000; -2.000 a sparse one",
        "-1.000; -1.500 a dense one",
    ]
    assert line.endswith("| 9.0; 2.5 a sparse one |")


def test_new_measures_stand_in_place_of_old_ones_of_the_same_fits():
    old = measured()
    new = old[(old["method"] == "dense") & (old["replicate"] == 2)].iloc[:2].assign(value=7.0)
    both = TABLES["joined"](old, new)
    same = (both["method"] == "dense") & (both["replicate"] == 2)
    assert both.loc[same, "value"].tolist() == [7.0, 7.0]
    assert len(both) == len(old) - 5 + 2


def test_the_page_has_the_tables_of_what_was_measured():
    table = pd.read_csv(TABLES["MEASURED"], sep="\t")
    assert TABLES["page"](table) == TABLES["PAGE"].read_text()

"""The figure of all methods on all data."""

import numpy as np
import pandas as pd
import pytest
from drawings import drawn_texts

from mssvae import figures
from mssvae.errors import InputError

DATA = {
    "gaussian": "Gaussian study (section 4.1)",
    "kang": "Kang, blood cells with and without interferon, 1,556 x 1,267",
    "a$b": "cells_with $x^2$ & other signs",
}
METHODS = {
    "mssvae": "MSSVAE, default",
    "nmf": "NMF",
    "long": "a method whose name is so long that it does not fit beside the rows",
    "slow": "slow one",
}
MEASURES = {
    "gaussian": ["consensus", "best_consensus", "disentanglement"],
    "kang": ["labels", "unseen"],
    "a$b": ["unseen"],
}


def make_table(data=DATA, methods=METHODS):
    rng = np.random.default_rng(0)
    rows = []
    for name in data:
        for replicate in (1, 2):
            for method in methods:
                if method == "slow":
                    note = "out of time: more than 1800 s"
                    rows.append((name, method, "fitted", 0.0, replicate, note))
                    continue
                rows.append((name, method, "fitted", 1.0, replicate, None))
                for measure in [*MEASURES.get(name, ["unseen"]), "agreement_halves"]:
                    rows.append((name, method, measure, rng.random(), replicate, None))
                rows.append((name, method, "entries", rng.integers(10, 10**5), replicate, None))
                rows.append((name, method, "seconds", 10 ** rng.uniform(-1, 3), replicate, None))
    columns = ["data", "method", "measure", "value", "replicate", "note"]
    return pd.DataFrame(rows, columns=columns)


def draw(table=None, data=DATA, methods=METHODS):
    table = make_table() if table is None else table
    return figures.comparison(table, data=data, methods=methods, ours=["mssvae"])


def large():
    data = {f"data_{i}": f"Data {i}" for i in range(6)}
    methods = {f"method_{i}": f"Method {i}" for i in range(13)}
    return draw(make_table(data, methods), data, methods)


def without_entries():
    """A method that finds no factor has no entries, which a logarithm cannot show."""
    table = make_table()
    table.loc[table["measure"] == "entries", "value"] = 0
    return draw(table)


def only_failures():
    table = make_table()
    return draw(table[table["measure"] == "fitted"].assign(value=0.0, note="failed: it did"))


@pytest.mark.parametrize("make", [draw, large, without_entries, only_failures])
def test_nothing_overlaps_or_leaves_the_page(make, monkeypatch):
    figure = make()
    texts, boxes = drawn_texts(figure, monkeypatch)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    i, j = np.nonzero(np.triu((high - low > 1).all(axis=2), k=1))
    assert [(texts[a], texts[b]) for a, b in zip(i, j, strict=True)] == []
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [figure.bbox.width, figure.bbox.height]).all()
    assert figure.get_size_inches()[0] <= 7


def test_the_largest_one_fits_a_page():
    """All real data of config/compare.yaml, with the methods that are for them."""
    assert large().get_size_inches()[1] <= 9


def test_points_are_where_the_values_are():
    table = make_table()
    axes = draw(table).axes[0]  # The consensus on the first data.
    wanted = table.query("data == 'gaussian' and method == 'mssvae'").set_index("measure")["value"]
    drawn = [tuple(sorted(points.get_offsets()[:, 0])) for points in axes.collections[1:3]]
    assert drawn == [tuple(sorted(wanted[key])) for key in ("best_consensus", "consensus")]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(wanted["consensus"].median())


def test_a_method_without_a_result_says_why(monkeypatch):
    texts, _ = drawn_texts(draw(), monkeypatch)
    assert texts.count("out of time: more than 1800 s") == len(DATA)
    assert "slow one" in texts


def test_a_method_that_is_not_for_the_data_is_left_out(monkeypatch):
    table = make_table()
    chosen = (table["data"] == "kang") & (table["method"] == "slow")
    table.loc[chosen, "note"] = "not for these data: needs counts"
    texts, _ = drawn_texts(draw(table), monkeypatch)
    assert texts.count("out of time: more than 1800 s") == len(DATA) - 1
    assert not any(text.startswith("not for these data") for text in texts)


def test_what_has_no_title_is_named():
    with pytest.raises(InputError, match="no title of the method 'long'"):
        draw(methods={"mssvae": "ours"})
    with pytest.raises(InputError, match="no column 'note'"):
        draw(make_table().drop(columns="note"))
    with pytest.raises(InputError, match="no row"):
        draw(make_table()[:0])

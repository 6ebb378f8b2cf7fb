"""The comparison: measures by what is known of real data."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from studies.comparison.known import labels_of_study, process_of_study, processes

GENES = [f"g{i:03d}" for i in range(400)]


@pytest.fixture
def annotation():
    """Ten processes of 20 genes, the first 200 of them."""
    ids = np.repeat([f"GO:{i:07d}" for i in range(10)], 20)
    return pd.DataFrame({"ID": ids, "Description": ids, "gene": GENES[:200]})


def sets(*ranges):
    table = pd.DataFrame(False, GENES, [f"factor_{i}" for i in range(len(ranges))])
    for factor, (start, end) in zip(table, ranges, strict=True):
        table.iloc[start:end, table.columns.get_loc(factor)] = True
    return table


class TestProcesses:
    mean = np.random.default_rng(0).uniform(1, 9, 400)
    genes = pd.DataFrame({"gene": GENES, "mean": mean, "selected": True})

    def test_factors_with_a_process_are_told_from_random_sets(self, annotation):
        found = dict(processes(sets((0, 20), (10, 30), (300, 320)), self.genes, annotation))
        assert found["enriched"] == pytest.approx(2 / 3)
        assert found["enriched_own"] == pytest.approx(1 / 3)  # The second has half of the first's.
        assert found["processes"] == 2
        assert found["enriched_random"] < 0.2
        assert found["processes_random"] < 0.5

    def test_a_method_without_factors_has_none(self, annotation):
        found = dict(processes(sets(), self.genes, annotation))
        assert set(found.values()) == {0}


class TestProcessOfStudy:
    studies = pd.Series([None, "stim", "ctrl"], dtype=object)

    def precision(self, loadings, annotation):
        return process_of_study(loadings, self.studies, {"stim": "GO:0000000"}, annotation)

    def test_it_is_one_where_its_genes_lead_the_studys_own_factors(self, annotation):
        loadings = sets((100, 200), (0, 20), (20, 90)).astype(float)
        assert self.precision(-3 * loadings, annotation) == 1

    def test_factors_of_others_do_not_count(self, annotation):
        share = 20 / 400
        elsewhere = sets((0, 20), (200, 220), (0, 20)).astype(float)
        assert self.precision(elsewhere, annotation) < 1.2 * share
        none = sets((0, 20), (0, 0), (0, 20)).astype(float)
        assert self.precision(none, annotation) == pytest.approx(share)


def test_labels_of_a_study_count_where_their_best_factor_is_its_own():
    obs = pd.DataFrame({"group": ["a"] * 6 + ["b"] * 6}, [f"s{i}" for i in range(12)])
    obs["own_label"] = [None] * 3 + ["first"] * 3 + [None] * 3 + ["second"] * 3
    adata = ad.AnnData(np.zeros((12, 1)), obs)
    first, second = (obs["own_label"] == name for name in ("first", "second"))
    rng = np.random.default_rng(0)
    factors = pd.DataFrame({"x": 1.0 * first, "y": -2.0 * second, "z": rng.normal(size=12)})
    # Either sign tells; that the shared factor says as much of "second" comes after.
    assert labels_of_study(factors, pd.Series(["a", "b", None]), adata) == 1
    assert labels_of_study(factors, pd.Series(["a", None, None]), adata) == 0.5
    assert labels_of_study(factors, pd.Series(["b", "a", None]), adata) == 0

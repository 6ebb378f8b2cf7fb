"""Seeds, truth, scores and summaries of simulation studies."""

import numpy as np
import pandas as pd
import pytest

from mssvae import replicates, simulate
from mssvae.data.files import write_table
from mssvae.errors import InputError
from mssvae.replicates import Factorisation


@pytest.fixture(scope="module")
def adata():
    """Three studies; the last has no factor of its own."""
    return simulate.gaussian([30, 20, 10], 40, n_shared=2, n_specific=[2, 1, 0], seed=3)


@pytest.fixture(scope="module")
def truth(adata):
    return replicates.truth(adata)


class TestSeeds:
    def test_are_the_same_every_time(self):
        """Written down, as reported results hang on them."""
        assert replicates.seeds(20260101, "gaussian", 101) == {
            "data": 491363788,
            "fit": 609346481,
        }

    def test_differ_between_simulations_replicates_and_purposes(self):
        drawn = [
            seed
            for simulation in ("gaussian", "rna")
            for replicate in (1, 2, 101)
            for seed in replicates.seeds(1, simulation, replicate).values()
        ]
        assert len(set(drawn)) == 12

    def test_follow_the_master_seed(self):
        assert replicates.seeds(1, "gaussian", 1) != replicates.seeds(2, "gaussian", 1)


class TestTruth:
    def test_factors_are_named_by_study(self, truth):
        assert truth.factors["factor"].tolist() == [
            "shared_01",
            "shared_02",
            "study_1_01",
            "study_1_02",
            "study_2_01",
        ]
        assert truth.factors["kind"].tolist() == ["shared"] * 2 + ["specific"] * 3
        assert truth.factors["study"].dropna().tolist() == ["study_1", "study_1", "study_2"]
        assert truth.names("study_1").tolist() == ["study_1_01", "study_1_02"]
        assert truth.names("study_3").empty

    def test_masks_are_the_simulated_ones(self, adata, truth):
        names = truth.names("study_1")
        np.testing.assert_array_equal(truth.masks[names], adata.varm["true_study_1"])
        assert truth.masks.index.equals(adata.var_names)

    def test_own_factors_are_missing_in_other_studies(self, adata, truth):
        assert truth.latent.index.equals(adata.obs_names)
        own = truth.latent["study_2_01"]
        assert (own.notna() == (adata.obs["group"] == "study_2")).all()
        np.testing.assert_array_equal(own.iloc[30:50], adata.obsm["true_specific"][30:50, 0])

    def test_without_shared_factors(self):
        adata = simulate.gaussian(10, 40, n_shared=0, seed=3)
        truth = replicates.truth(adata)
        assert truth.names("shared").empty
        assert truth.latent.index.equals(adata.obs_names)

    def test_tables_come_back_as_written(self, truth, tmp_path):
        write_table(truth.masks.rename_axis("feature").reset_index(), tmp_path / "m.tsv.gz")
        write_table(truth.factors, tmp_path / "f.tsv")
        write_table(truth.latent.rename_axis("sample").reset_index(), tmp_path / "l.tsv.gz")
        read = Factorisation.read(*(tmp_path / name for name in ("m.tsv.gz", "f.tsv", "l.tsv.gz")))
        pd.testing.assert_frame_equal(read.masks, truth.masks, check_names=False)
        pd.testing.assert_frame_equal(read.latent, truth.latent, check_names=False)
        assert read.names("shared").equals(truth.names("shared"))


def value(scores, part, metric):
    (found,) = scores.query("part == @part and metric == @metric")["value"]
    return found


class TestScores:
    def test_the_truth_is_perfect(self, truth):
        scores = replicates.scores(truth, truth)
        supports = scores[scores["metric"].isin(["consensus", "relevance", "recovery"])]
        assert (supports["value"] == 1).all()
        assert set(supports["part"]) == {
            "shared",
            "specific",
            "specific/study_1",
            "specific/study_2",
        }
        assert value(scores, "all", "disentanglement") > 0.9
        assert value(scores, "shared", "n_factors") == 2
        assert value(scores, "specific/study_2", "n_factors") == 1

    def test_columns_of_zeros_are_no_factors(self, truth):
        masks = truth.masks.assign(shared_02=0.0)
        scores = replicates.scores(truth, Factorisation(masks, truth.factors, truth.latent))
        assert value(scores, "shared", "n_factors") == 1
        assert value(scores, "shared", "consensus") == 0.5
        assert value(scores, "shared", "relevance") == 1

    def test_a_factor_where_the_study_has_none_counts(self, truth):
        spare = {"factor": "study_3_01", "kind": "specific", "study": "study_3"}
        estimate = Factorisation(
            truth.masks.assign(study_3_01=1.0),
            pd.concat([truth.factors, pd.DataFrame([spare])], ignore_index=True),
            truth.latent.assign(study_3_01=np.where(np.arange(60) < 50, np.nan, 0.0)),
        )
        scores = replicates.scores(truth, estimate)
        assert value(scores, "specific/study_3", "consensus") == 0
        assert value(scores, "specific", "consensus") == pytest.approx(2 / 3)

    def test_dense_columns_are_left_out_of_supports_alone(self, truth):
        masks = truth.masks.assign(shared_02=1.0)
        estimate = Factorisation(masks, truth.factors, truth.latent)
        scores = replicates.scores(truth, estimate, max_column_share=0.9)
        assert value(scores, "shared", "relevance") == 1
        assert value(scores, "shared", "n_factors") == 2
        assert value(replicates.scores(truth, estimate), "shared", "relevance") < 1

    def test_other_features_are_refused(self, truth):
        estimate = Factorisation(truth.masks.iloc[::-1], truth.factors, truth.latent)
        with pytest.raises(InputError, match="features"):
            replicates.scores(truth, estimate)


@pytest.fixture
def scores():
    """One method, three replicates, two stages; values by hand."""
    rows = [
        ("toy", "paper", replicate, stage, part, metric, score)
        for stage, shift in (("trained", 0.0), ("assigned", 0.1))
        for part, metric, by_replicate in (
            ("shared", "consensus", (0.9, 0.5, 0.7)),
            ("specific", "consensus", (0.1, 0.7, 0.9)),
            ("specific/study_1", "consensus", (0.8, 0.0, 0.8)),
            ("shared", "n_factors", (8, 9, 11)),
        )
        for replicate, score in zip((101, 102, 103), by_replicate, strict=True)
        for score in [score + (shift if replicate == 101 and part == "specific" else 0)]
    ]
    names = ["simulation", "method", "replicate", "stage", "part", "metric", "value"]
    return pd.DataFrame(rows, columns=names)


class TestSummary:
    def test_quartiles_and_worst_over_replicates(self, scores):
        summary = replicates.summarise(scores)
        assert len(summary) == 8
        first = summary.iloc[0]
        assert first[["simulation", "method", "stage", "part", "metric"]].tolist() == [
            "toy",
            "paper",
            "trained",
            "shared",
            "consensus",
        ]
        quartiles = ["n", "median", "lower_quartile", "upper_quartile", "worst"]
        assert first[quartiles].tolist() == pytest.approx([3, 0.7, 0.6, 0.8, 0.5])

    def test_no_number_of_factors_is_the_worst(self, scores):
        summary = replicates.summarise(scores).set_index("metric")
        assert summary.loc["n_factors", "worst"].isna().all()
        assert summary.loc["n_factors", "median"].tolist() == [9, 9]

    def test_the_worst_replicate_has_the_lowest_mean_of_shared_and_specific(self, scores):
        assert replicates.worst_replicate(scores[scores["stage"] == "trained"], "paper") == 101

    def test_the_last_stage_decides_and_the_first_of_equals_is_taken(self, scores):
        scores.loc[scores["stage"] == "assigned", "value"] = 0.5
        assert replicates.worst_replicate(scores, "paper") == 101
        last = (scores["stage"] == "assigned") & (scores["replicate"] == 103)
        scores.loc[last, "value"] = 0.4
        assert replicates.worst_replicate(scores, "paper") == 103

    def test_a_method_without_scores_is_named(self, scores):
        with pytest.raises(InputError, match="'default'"):
            replicates.worst_replicate(scores, "default")

    def test_the_order_of_the_table_does_not_matter(self, scores):
        expected = replicates.worst_replicate(scores, "paper")
        by = ["stage", "metric", "part"]
        summary = replicates.summarise(scores).sort_values(by, ignore_index=True)
        for changed in (
            scores.sort_values("value"),
            scores.sort_values("stage", kind="stable"),
            scores[::-1],
            scores.set_index("replicate", drop=False),
        ):
            assert replicates.worst_replicate(changed, "paper") == expected
            other = replicates.summarise(changed).sort_values(by, ignore_index=True)
            pd.testing.assert_frame_equal(other, summary)

    @pytest.mark.parametrize(
        "function", [replicates.summarise, lambda s: replicates.worst_replicate(s, "paper")]
    )
    def test_scores_that_are_missing_or_there_twice_are_named(self, scores, function):
        with pytest.raises(InputError, match="scores table has no column 'stage'"):
            function(scores.drop(columns="stage"))
        with pytest.raises(InputError, match=r"2 rows are repeated, .* replicate 102"):
            function(pd.concat([scores, scores.head(2).iloc[::-1]]))
        scores.loc[1, "value"] = np.nan
        with pytest.raises(InputError, match=r"1 rows are incomplete, .* replicate 102"):
            function(scores)
        with pytest.raises(InputError, match="must be a pandas DataFrame, not a list"):
            function([])

    def test_a_stage_that_is_unknown_is_named(self, scores):
        with pytest.raises(InputError, match="unknown stages 'later': use 'trained', 'assigned'"):
            replicates.worst_replicate(scores.replace({"stage": {"assigned": "later"}}), "paper")


class TestFactorisation:
    def changed(self, truth, **changes):
        return Factorisation(**{**vars(truth), **changes})

    def test_tables_that_do_not_fit_are_refused(self, truth):
        factors = truth.factors
        for changes, message in (
            ({"factors": factors.drop(columns="kind")}, "factors of the estimate has no column"),
            ({"factors": factors.iloc[1:]}, "no row of columns of masks: 'shared_01'"),
            ({"masks": truth.masks.iloc[:, 1:]}, "masks of the estimate has no column 'shared_01'"),
            ({"latent": truth.latent.iloc[:, 1:]}, "latent of the estimate has no column 'shared"),
            ({"factors": factors.assign(kind="own")}, "kind is shared or specific, not 'own'"),
            ({"factors": factors.assign(study=None)}, "'study_2_01' are specific to no study"),
            ({"masks": truth.masks.to_numpy()}, "masks of the estimate must be a pandas DataFrame"),
        ):
            with pytest.raises(InputError, match=message):
                replicates.scores(truth, self.changed(truth, **changes))

    def test_scores_need_factors(self, truth):
        with pytest.raises(InputError, match="the estimate has no latent factors"):
            replicates.scores(truth, self.changed(truth, latent=None))

    def test_weights_that_are_missing_are_named(self, truth):
        masks = truth.masks.copy()
        masks.loc["feature_3", "shared_02"] = np.nan
        with pytest.raises(InputError, match="row 'feature_3', column 'shared_02'"):
            replicates.scores(truth, self.changed(truth, masks=masks))

    def test_factors_without_a_study_are_scored(self):
        adata = simulate.gaussian(10, 40, n_shared=2, n_specific=0, seed=3)
        truth = replicates.truth(adata)
        assert value(replicates.scores(truth, truth), "shared", "consensus") == 1

    def test_data_without_the_truth_are_refused(self, adata):
        real = adata.copy()
        del real.varm["true_study_2"]
        with pytest.raises(InputError, match=r"adata\.varm has no 'true_study_2': give what"):
            replicates.truth(real)


@pytest.mark.parametrize("numbers", [(-1, "a", 1), (1.5, "a", 1), (1, "a", "1"), (1, None, 1)])
def test_seeds_of_what_is_no_number_or_name_are_refused(numbers):
    with pytest.raises(InputError, match="must be a"):
        replicates.seeds(*numbers)


class TestSettingsTable:
    def test_what_is_no_manifest_is_refused(self):
        with pytest.raises(InputError, match="manifest of 'paper' has no 'fit'"):
            replicates.settings_table(
                {"paper": {"settings": {}, "fit": None, "n_features": 1, "n_samples": 1}}
            )
        with pytest.raises(InputError, match="there is no fit"):
            replicates.settings_table({})

    def test_rows_of_table_2_come_first_and_numbers_stand_for_defaults(self):
        manifest = {
            "settings": {
                "study_key": "group",
                "layer": None,
                "likelihood": "gaussian",
                "n_shared": 30,
                "n_specific": 5,
                "hidden": [50, 50],
                "seed": 1,
            },
            "fit": {
                "max_epochs": 500,
                "batch_size": 512,
                "features_per_batch": None,
                "lr": 0.01,
                "lr_mask": 0.01,
                "b": None,
                "prior_scale": None,
            },
            "n_samples": 3000,
            "n_features": 100,
        }
        weaker = manifest | {"fit": manifest["fit"] | {"prior_scale": 200}}
        table = replicates.settings_table({"paper": manifest, "default": weaker})
        assert table.columns.tolist() == ["Hyperparameter", "paper", "default"]
        assert table["Hyperparameter"].tolist() == [
            "Batch Size",
            "Epochs",
            "Hidden Dimensions",
            "Initial K_S",
            "Initial K_m",
            "Learning Rate (not W)",
            "Learning Rate (W)",
            "likelihood",
            "features_per_batch",
            "b",
            "prior_scale",
        ]
        values = table.set_index("Hyperparameter")
        assert values["paper"].tolist()[:7] == [
            *("512", "500", "[50, 50]", "30", "5", "0.01", "0.01")
        ]
        assert values.loc["prior_scale"].tolist() == ["3000", "200"]
        assert values.loc[["features_per_batch", "b"], "paper"].tolist() == ["100", "100"]
        assert values.loc["likelihood", "paper"] == "gaussian"

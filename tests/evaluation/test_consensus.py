"""What fits to subsamples have in common."""

from itertools import permutations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import mssvae
from mssvae import evaluation, simulate
from mssvae.errors import InputError
from mssvae.results.tables import FactorTables

SIZES = {"n_shared": 8, "n_specific": 3, "hidden": (8, 8), "device": "cpu"}


def fit(adata, seed):
    return mssvae.MSSVAE(adata, likelihood="gaussian", seed=seed, **SIZES).fit()


@pytest.fixture(scope="module")
def planted():
    return simulate.gaussian(160, 90, n_studies=2, n_shared=3, nonlinear_every=10**6, seed=14)


@pytest.fixture(scope="module")
def found(planted):
    return mssvae.consensus(fit, planted, n_runs=3)


def random_tables(rng, n_shared, n_specific, n_features=9):
    def table(name, k):
        columns = [f"{name}_{i}" for i in range(k)]
        return pd.DataFrame(rng.random((n_features, k)) < 0.5, columns=columns)

    own = {study: table(study, n_specific) for study in ("a", "b")}
    return FactorTables(table("shared", n_shared), own)


def literally_matched(reference, run):
    """Return the columns of a run in the order of those they match best, by all permutations."""

    def jaccard(i, k):
        one, two = reference[:, i], run[:, k]
        return (one & two).sum() / max((one | two).sum(), 1)

    n = reference.shape[1]
    best = max(permutations(range(n)), key=lambda p: sum(jaccard(i, p[i]) for i in range(n)))
    columns = [run[:, k] if jaccard(i, k) else 0 * run[:, k] for i, k in enumerate(best)]
    return np.stack(columns, 1), [jaccard(i, k) for i, k in enumerate(best)]


def test_frequencies_are_those_of_the_best_permutation():
    rng = np.random.default_rng(0)
    reference = random_tables(rng, 4, 3)
    runs = [random_tables(rng, 4, 3) for _ in range(5)]
    result = evaluation.stability(reference, runs, threshold=0.6)

    def tables(supports):
        return [table.to_numpy() for table in (supports.shared, *supports.specific.values())]

    frequency, matches = [], []
    for i, own in enumerate(tables(reference)):
        matched = [literally_matched(own, tables(run)[i]) for run in runs]
        frequency.append(np.mean([columns for columns, _ in matched], 0))
        matches += np.mean([index for _, index in matched], 0).tolist()
    frequency, selected = np.concatenate(frequency, 1), reference.wide().to_numpy()
    often = selected & (frequency > 0.59)
    assert result.frequency.wide().to_numpy() == pytest.approx(frequency)
    assert (result.support.wide().to_numpy() == often * (often.sum(0) > 2)).all()
    factors = result.factors
    assert factors["factor"].tolist() == reference.wide().columns.tolist()
    assert factors["match"].tolist() == pytest.approx(matches)
    assert factors["n_nonzero"].tolist() == selected.sum(0).tolist()
    mean = (frequency * selected).sum(0) / selected.sum(0)
    assert factors["mean_frequency"].tolist() == pytest.approx(mean.tolist())
    assert factors["n_stable"].tolist() == (often * (often.sum(0) > 2)).sum(0).tolist()
    assert result.agreement.loc["all", 2] == evaluation.agreement(reference, runs[1])
    assert result.agreement.loc[5, 2] == evaluation.agreement(runs[1], runs[4])


def test_factors_that_nothing_matches_have_no_frequency():
    table = pd.DataFrame({"shared_01": [1, 1, 1, 0], "shared_02": [0, 0, 0, 0]})
    other = pd.DataFrame({"shared_01": [0, 0, 0, 1], "shared_02": [0, 0, 0, 0]})
    result = evaluation.stability(FactorTables(table, {}), [FactorTables(other, {})])
    assert not result.frequency.shared.any(axis=None)
    assert result.factors["match"].tolist() == [0, 0]
    assert result.factors["mean_frequency"].isna().tolist() == [False, True]


def test_the_support_has_the_entries_of_the_reference_that_come_back():
    reference = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1, 1, 0, 0]}), {})
    run = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1, 0, 1, 0]}), {})
    result = evaluation.stability(reference, [reference, run, run])
    assert result.support.shared["shared_01"].tolist() == [1, 1, 1, 0, 0, 0]
    assert result.frequency.shared["shared_01"].tolist() == pytest.approx(
        [1, 1, 1, 1 / 3, 2 / 3, 0]
    )


def test_studies_without_factors_keep_their_tables():
    reference = FactorTables(
        pd.DataFrame({"shared_01": [1, 1, 1]}), {"a": pd.DataFrame(index=range(3))}
    )
    run = FactorTables(reference.shared, {"a": pd.DataFrame({"a_01": [1, 1, 1]})})
    result = evaluation.stability(reference, [run])
    assert result.support.specific["a"].shape == (3, 0)
    assert result.agreement.loc["all", 1] == 0.5


def test_features_that_a_run_lacks_are_not_selected_by_it():
    reference = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1, 1]}), {})
    run = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1]}), {})
    result = evaluation.stability(reference, [run, reference])
    assert result.frequency.shared["shared_01"].tolist() == [1, 1, 1, 0.5]


def test_planted_entries_are_selected_by_nearly_all_runs_and_no_others(planted, found):
    for table, key in (
        (found.frequency.shared, "true_shared"),
        *((own, f"true_{study}") for study, own in found.frequency.specific.items()),
    ):
        truth = planted.varm[key] != 0
        table = table.loc[:, (table > 0.5).any()].to_numpy()
        assert table.shape == truth.shape
        overlap = truth.T.astype(float) @ table
        table = table[:, overlap.argmax(1)]
        assert table[truth].mean() > 0.95
        assert table[~truth].mean() < 0.02
    agreement = found.agreement.to_numpy()
    assert agreement.min() > 0.85
    assert (agreement == agreement.T).all()


def test_the_model_has_the_support_of_the_consensus(found):
    pd.testing.assert_frame_equal(found.model.support.wide(), found.support.wide())
    history = found.reference.history
    pd.testing.assert_frame_equal(found.model.history[: len(history)], history)
    assert len(found.model.history) > len(history)


def test_the_same_seed_gives_the_same_consensus_and_another_other_samples(planted, found):
    again = mssvae.consensus(fit, planted, n_runs=3)
    pd.testing.assert_frame_equal(again.frequency.wide(), found.frequency.wide())
    pd.testing.assert_frame_equal(again.model.masks.wide(), found.model.masks.wide())
    names = [
        evaluation.subsample(planted, run, seed=seed).obs_names.tolist()
        for run, seed in ((1, 0), (1, 0), (2, 0), (1, 1))
    ]
    assert names[0] == names[1]
    assert names[0] not in names[2:]


def test_linear_fits_to_all_samples_agree_whatever_their_seeds(planted):
    result = mssvae.consensus(fit, planted, n_runs=2, share=None)
    assert (result.agreement == 1).all(axis=None)


def test_the_same_share_of_every_study_is_taken_and_features_that_do_not_vary_are_not():
    study = ["a"] * 10 + ["b"] * 4 + ["c"] * 2
    x = np.random.default_rng(0).normal(size=(16, 3))
    x[:, 1] = 7
    obs = pd.DataFrame({"group": study}, index=map(str, range(16)))
    sample = evaluation.subsample(ad.AnnData(x, obs), run=1)
    assert sample.obs["group"].value_counts().to_dict() == {"a": 5, "b": 2, "c": 2}
    assert sample.var_names.tolist() == ["0", "2"]


def test_a_refit_has_fewer_entries_and_keeps_the_model(planted, found, tmp_path):
    reference = found.reference
    before, support = reference.masks.wide(), reference.support
    factor = next(name for name in support.shared if support.shared[name].any())
    support.shared.loc[support.shared.index[support.shared[factor]][:2], factor] = False
    own = support.specific["study_2"]
    lost = next(name for name in own if own[name].any())
    own[lost] = False
    model = reference.refit(support)
    pd.testing.assert_frame_equal(model.support.wide(), support.wide())
    pd.testing.assert_frame_equal(reference.masks.wide(), before)
    assert (model.latent().specific["study_2"][lost] == 0).all()
    assert model.history["elbo"].iloc[-1] < reference.history["elbo"].iloc[-1]
    model.save(tmp_path / "model.npz")
    loaded = mssvae.MSSVAE.load(tmp_path / "model.npz", planted, device="cpu")
    pd.testing.assert_frame_equal(loaded.masks.wide(), model.masks.wide())


def test_a_refit_with_the_same_support_stays_where_it_is(found):
    reference = found.reference
    again = reference.refit(reference.support)
    gain = again.history["objective"].iloc[-1] - reference.history["objective"].iloc[-1]
    assert abs(gain) < 0.01
    assert np.abs(again.masks.wide() - reference.masks.wide()).max(axis=None) < 0.05


def test_nonlinear_fits_have_frequencies_and_no_model():
    adata = simulate.gaussian(40, 30, n_studies=2, n_shared=1, seed=1)

    def short(adata, seed):
        model = mssvae.MSSVAE(adata, likelihood="gaussian", seed=seed, **SIZES)
        return model.fit(preset="paper", max_epochs=1)

    result = mssvae.consensus(short, adata, n_runs=1, share=None)
    assert result.model is None
    assert result.frequency.wide().shape == (30, 14)
    with pytest.raises(InputError, match="nonlinear fit cannot go on"):
        result.reference.refit(result.reference.support)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0.0}, "share must be above 0"),
        ({"share": 1.5}, "share must be a finite number"),
        ({"run": 0}, "run must be a whole number, at least 1"),
        ({"study_key": "study"}, "no column 'study'"),
        ({"layer": "raw"}, "no layer 'raw'"),
    ],
)
def test_subsamples_that_cannot_be_are_refused(planted, change, message):
    with pytest.raises(InputError, match=message):
        evaluation.subsample(planted, **{"run": 1, **change})


def test_runs_that_cannot_be_compared_are_refused(planted):
    one = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1]}), {})
    two = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1]}), {"a": pd.DataFrame(index=range(3))})
    with pytest.raises(InputError, match="runs is empty"):
        evaluation.stability(one, [])
    with pytest.raises(InputError, match="threshold must be above 0"):
        evaluation.stability(one, [one], threshold=0)
    with pytest.raises(InputError, match="same features and studies"):
        evaluation.stability(one, [two])
    more = FactorTables(pd.DataFrame({"shared_01": [1, 1, 1, 1]}), {})
    with pytest.raises(InputError, match="features that the fit to all samples lacks"):
        evaluation.stability(one, [more])
    with pytest.raises(InputError, match="n_runs must be a whole number"):
        mssvae.consensus(fit, planted, n_runs=0)


def test_supports_of_another_model_are_refused(found):
    reference = found.reference
    support = reference.support
    with pytest.raises(InputError, match="must have the features, studies and factors"):
        reference.refit(FactorTables(support.shared.iloc[:, 1:], support.specific))
    with pytest.raises(InputError, match="must have the features, studies and factors"):
        reference.refit(FactorTables(support.shared, {}))
    empty = next(name for name in support.shared if not support.shared[name].any())
    support.shared[empty] = True
    with pytest.raises(InputError, match="entries that the model has not"):
        reference.refit(support)

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from made_modules import LinearEncoder
from models import SHORT, SMALL, make_adata

import mssvae
from mssvae.data.batches import BatchSampler
from mssvae.errors import FitError, InputError
from mssvae.factors import gene_sets
from mssvae.fitting.networks import loop as training
from mssvae.fitting.networks.restructuring import Restructuring
from mssvae.fitting.settings import PRESETS, FitSettings


@pytest.fixture(scope="module", params=["negative_binomial", "gaussian"])
def fitted(request):
    adata = make_adata(request.param)
    return adata, mssvae.MSSVAE(adata, likelihood=request.param, **SMALL).fit(**SHORT)


def test_masks_are_tables_of_features_by_factors(fitted):
    adata, model = fitted
    assert model.studies == ["GBM", "Healthy", "MS"]
    assert list(model.masks.shared) == ["shared_01", "shared_02", "shared_03", "shared_04"]
    assert list(model.masks.specific["MS"]) == ["MS_01", "MS_02"]
    for table in (model.masks.shared, *model.masks.specific.values()):
        assert table.index.equals(adata.var_names)
    assert model.masks.wide().shape == (12, 4 + 3 * 2)


def test_support_is_the_non_zero_pattern(fitted):
    _, model = fitted
    pd.testing.assert_frame_equal(model.support.wide(), model.masks.wide() != 0)


def test_latent_gives_each_study_its_own_samples(fitted):
    adata, model = fitted
    latent = model.latent()
    assert latent.shared.shape == (90, 4)
    assert latent.shared.index.equals(adata.obs_names)
    for study in model.studies:
        assert latent.specific[study].shape[1] == 2
        own = adata.obs_names[adata.obs["group"] == study]
        assert latent.specific[study].index.equals(own)
    assert np.isfinite(latent.shared).all(axis=None)


def test_history_has_a_row_per_epoch_and_adds_up(fitted):
    _, model = fitted
    history = model.history
    assert history["epoch"].tolist() == list(range(1, 9))
    kl = history[["kl_shared", "kl_specific", "kl_library"]].sum(axis=1)
    np.testing.assert_allclose(history["kl"], kl)
    np.testing.assert_allclose(history["elbo"], history["reconstruction"] - history["kl"])
    assert (history["kl"] >= 0).all()


def test_factor_table_says_which_studies_use_a_factor(fitted):
    _, model = fitted
    table = model.factor_table().set_index("factor")
    assert table["kind"].value_counts().to_dict() == {"specific": 6, "shared": 4}
    assert table.loc["MS_01", "study"] == "MS"
    assert table.loc["MS_01", ["kl_GBM", "kl_Healthy"]].isna().all()
    assert (table.loc["shared_01", ["kl_GBM", "kl_Healthy", "kl_MS"]] >= 0).all()
    assert (table["n_nonzero"] == model.support.wide().sum()).all()


def test_saved_models_come_back_equal(fitted, tmp_path):
    adata, model = fitted
    model.save(tmp_path / "model.npz")
    loaded = mssvae.MSSVAE.load(tmp_path / "model.npz", adata, device="cpu")
    pd.testing.assert_frame_equal(loaded.masks.wide(), model.masks.wide())
    pd.testing.assert_frame_equal(loaded.latent().wide(), model.latent().wide())
    pd.testing.assert_frame_equal(loaded.history, model.history)
    assert loaded.fit_settings == model.fit_settings


def test_numbers_may_be_numpys(tmp_path):
    """As those of a loop over an array are."""
    sizes = {key: np.int64(SMALL[key]) for key in ("n_shared", "n_specific")}
    hidden = np.array(SMALL["hidden"])
    model = mssvae.MSSVAE(make_adata(), **sizes, hidden=hidden, seed=np.int64(3), device="cpu")
    model.fit(**SHORT | {"max_epochs": np.int64(2)}).save(tmp_path / "model.npz")
    assert mssvae.MSSVAE.load(tmp_path / "model.npz", make_adata()).settings["seed"] == 3


def test_counts_of_one_total_can_be_fitted():
    """As rarefied ones are: their log library sizes have no variance."""
    adata = make_adata()
    rng = np.random.default_rng(1)
    adata.X = rng.multinomial(200, np.full(12, 1 / 12), 90).astype(np.float32)
    divergence = mssvae.MSSVAE(adata, **SMALL).fit(**SHORT).history["kl_library"]
    assert divergence.iloc[-1] < divergence.iloc[0] / 2


class TestResultsAreCopies:
    @pytest.mark.parametrize("name", ["masks", "support"])
    def test_of_masks(self, fitted, name):
        _, model = fitted
        before = model.masks.wide()
        tables = getattr(model, name)
        for table in (tables.shared, *tables.specific.values()):
            table.loc[:, :] = table.dtypes.iloc[0].type(1)
        pd.testing.assert_frame_equal(model.masks.wide(), before)

    def test_of_all_else(self, fitted):
        _, model = fitted
        history, manifest, units = model.history, model.manifest(), model.units
        model.history["elbo"] = 0
        model.units["scale"] = 2
        model.studies.append("another")
        model.settings["hidden"].append(3)
        model.manifest()["studies"].clear()
        pd.testing.assert_frame_equal(model.history, history)
        pd.testing.assert_frame_equal(model.units, units)
        assert model.manifest() == manifest


class TestWithoutAFit:
    @pytest.fixture
    def model(self):
        return mssvae.MSSVAE(make_adata(), **SMALL)

    @pytest.mark.parametrize(
        "result",
        [
            lambda model: model.masks,
            lambda model: model.support,
            lambda model: model.assigned(),
            lambda model: model.factor_table(),
            lambda model: model.to_anndata(make_adata()),
        ],
    )
    def test_there_are_no_results(self, model, result):
        with pytest.raises(InputError, match="the model is not fitted: call fit first"):
            result(model)

    def test_latent_says_that_it_is_the_start(self, model, caplog):
        model.latent()
        assert "the model is not fitted: latent() gives" in caplog.text

    def test_it_can_be_saved_and_fitted_later(self, model, tmp_path):
        model.save(tmp_path / "model")
        later = mssvae.MSSVAE.load(tmp_path / "model", make_adata(), device="cpu").fit(**SHORT)
        pd.testing.assert_frame_equal(later.masks.wide(), model.fit(**SHORT).masks.wide())


def test_a_model_says_what_it_is():
    model = mssvae.MSSVAE(make_adata(), **SMALL)
    assert repr(model).splitlines() == [
        "MSSVAE, negative_binomial, 90 samples x 12 features",
        "    studies: GBM (15), Healthy (30), MS (45)",
        "    started from 4 shared factors and 2 of each study",
        "    not fitted",
    ]
    support = model.fit(**SHORT).support
    own = sum(table.any().sum() for table in support.specific.values())
    found = f"fitted in 8 epochs: {support.shared.any().sum()} shared and {own} specific factors"
    assert repr(model).endswith(found)


def test_a_fit_without_a_factor_says_so(caplog):
    model = mssvae.MSSVAE(make_adata(), **SMALL).fit(
        decoder="nonlinear", max_epochs=20, batch_size=32
    )
    assert not model.support.wide().any(axis=None)
    assert "the fit has no factor" in caplog.text
    assert "prior_scale" in caplog.text
    caplog.clear()
    model.assigned()
    assert "the fit has no factor" in caplog.text


@pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
@pytest.mark.parametrize("none", ["n_shared", "n_specific"])
def test_one_kind_of_factors_may_be_left_out(likelihood, none, tmp_path):
    adata = make_adata(likelihood)
    settings = SMALL | {none: 0, "likelihood": likelihood}
    model = mssvae.MSSVAE(adata, **settings).fit(decoder="nonlinear", max_epochs=20, batch_size=32)
    model.save(tmp_path / "model")
    loaded = mssvae.MSSVAE.load(tmp_path / "model", adata, device="cpu")
    pd.testing.assert_frame_equal(loaded.masks.wide(), model.masks.wide())
    assert len(model.factor_table()) == (6 if none == "n_shared" else 4)
    model.to_anndata(adata).write_h5ad(tmp_path / "factors.h5ad")


class TestSurroundings:
    """What a caller has set elsewhere makes no difference to a fit, nor a fit to it."""

    def fit(self, likelihood="negative_binomial"):
        adata = make_adata(likelihood)
        settings = SMALL | {"likelihood": likelihood}
        model = mssvae.MSSVAE(adata, **settings).fit(**SHORT | {"restructure_from": 0.2})
        model.factor_table()
        return model.masks.wide(), model.assigned()[1].wide()

    @pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
    @pytest.mark.parametrize(
        "surroundings",
        [
            torch.no_grad,
            torch.inference_mode,
            lambda: torch.autocast("cpu", dtype=torch.bfloat16),
            lambda: torch.device("meta"),
            lambda: np.errstate(all="raise"),
        ],
    )
    def test_modes(self, surroundings, likelihood):
        expected = self.fit(likelihood)
        with surroundings():
            found = self.fit(likelihood)
        for one, other in zip(found, expected, strict=True):
            pd.testing.assert_frame_equal(one, other)

    @pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
    def test_default_precision(self, dtype, likelihood):
        expected = self.fit(likelihood)
        torch.set_default_dtype(dtype)
        try:
            found = self.fit(likelihood)
            assert torch.get_default_dtype() == dtype
        finally:
            torch.set_default_dtype(torch.float32)
        for one, other in zip(found, expected, strict=True):
            pd.testing.assert_frame_equal(one, other)

    def test_other_threads(self):
        def start(_):
            model = mssvae.MSSVAE(make_adata(), **SMALL)
            return [float(values.detach().sum()) for values in model.module.parameters()]

        with ThreadPoolExecutor(4) as pool:
            starts = list(pool.map(start, range(20)))
        assert all(one == starts[0] for one in starts)


def test_seeds_may_have_any_length(tmp_path):
    seeds = (0, 2**63, 2**64 + 1, 272135651132718734656667886602660286261)
    starts = []
    for seed in seeds:
        model = mssvae.MSSVAE(make_adata(), **SMALL, seed=seed).fit(**SHORT | {"max_epochs": 1})
        model.save(tmp_path / "model")
        assert mssvae.MSSVAE.load(tmp_path / "model", make_adata()).settings["seed"] == seed
        starts.append(float(model.module.shared_encoder.mean.weight.detach().sum()))
    assert len(set(starts)) == len(seeds)


class TestAssigned:
    """A factor of all studies held by each of them, and a factor of study A in a shared column."""

    @pytest.fixture
    def model(self):
        rng = np.random.default_rng(0)
        studies = np.repeat(["A", "B", "C"], 100)
        common, own = rng.normal(size=(2, 300))
        x = 0.3 * rng.normal(size=(300, 20))
        x[:, :5] += 2 * common[:, None]
        x[:100, 5:10] += 2 * own[:100, None]
        # Features 0 and 5 show the factors to the encoders.
        x[:, 0], x[:, 5] = common, np.where(studies == "A", own, 0)
        names = [f"sample{i}" for i in range(300)]
        adata = ad.AnnData(x.astype(np.float32), obs=pd.DataFrame({"group": studies}, index=names))
        model = mssvae.MSSVAE(
            adata, likelihood="gaussian", n_shared=2, n_specific=1, hidden=(4, 4), device="cpu"
        )
        module = model.module
        module.shared_encoder = LinearEncoder(20, 2)
        module.specific_encoders = torch.nn.ModuleList(LinearEncoder(20, 1) for _ in range(3))
        with torch.no_grad():
            module.shared_encoder.mean.weight[0, 5] = 1
            for encoder, sign in zip(module.specific_encoders, (1, -1, 1), strict=True):
                encoder.mean.weight[0, 0] = sign
            for mask in module.masks:
                mask.zero_()
            module.shared_mask[5:10, 0] = 1
            for mask in module.specific_masks:
                mask[:5, 0] = 1
        model.fit_settings = PRESETS["default"]
        return model, common, own

    def test_each_factor_is_where_theorem_2_has_it(self, model):
        model, common, own = model
        masks, latent = model.assigned()
        support = masks.wide() != 0
        assert list(support) == ["shared_02", "shared_A_01", "A_shared_01"]
        assert np.flatnonzero(support["shared_A_01"]).tolist() == [0, 1, 2, 3, 4]
        assert np.flatnonzero(support["A_shared_01"]).tolist() == [5, 6, 7, 8, 9]
        assert abs(np.corrcoef(latent.shared["shared_A_01"], common)[0, 1]) > 0.99
        assert np.corrcoef(latent.specific["A"]["A_shared_01"], own[:100])[0, 1] > 0.99
        assert masks.kinds()["study"].tolist() == [None, None, "A"]

    def test_the_model_stays_as_it_is(self, model):
        model, *_ = model
        before = {key: value.clone() for key, value in model.module.state_dict().items()}
        model.assigned()
        for key, value in model.module.state_dict().items():
            torch.testing.assert_close(value, before[key], rtol=0, atol=0)

    def test_is_of_fitted_models(self):
        with pytest.raises(InputError, match="not fitted"):
            mssvae.MSSVAE(make_adata(), **SMALL).assigned()


def test_presets_can_be_changed_by_setting():
    model = mssvae.MSSVAE(make_adata(), **SMALL).fit(preset="paper", max_epochs=2)
    assert model.fit_settings == replace(PRESETS["paper"], max_epochs=2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"preset": "papre"}, "papre.*default, paper|papre.*paper, default"),
        ({"epochs": 3}, "epochs.*max_epochs"),
    ],
)
def test_unknown_presets_and_settings_are_named(arguments, named):
    with pytest.raises(InputError, match=named):
        mssvae.MSSVAE(make_adata(), **SMALL).fit(**arguments)


def test_to_anndata_writes_the_documented_keys(fitted, tmp_path):
    adata, model = fitted
    result = model.to_anndata(adata)
    assert "mssvae" not in adata.uns
    np.testing.assert_array_equal(result.varm["mssvae_shared"], model.masks.shared)
    np.testing.assert_array_equal(result.varm["mssvae_MS"], model.masks.specific["MS"])
    np.testing.assert_array_equal(result.obsm["mssvae_shared"], model.latent().shared)
    own = (adata.obs["group"] == "GBM").to_numpy()
    np.testing.assert_array_equal(
        result.obsm["mssvae_specific"][own], model.latent().specific["GBM"]
    )
    assert json.loads(result.uns["mssvae"]["settings"])["n_shared"] == 4
    result.write_h5ad(tmp_path / "result.h5ad")
    assert ad.read_h5ad(tmp_path / "result.h5ad").uns["mssvae"]["version"] == mssvae.__version__


def test_manifest_is_enough_to_repeat_the_fit(fitted):
    adata, model = fitted
    manifest = json.loads(json.dumps(model.manifest()))
    again = mssvae.MSSVAE(adata, **manifest["settings"], device=manifest["device"])
    again.fit(**manifest["fit"])
    pd.testing.assert_frame_equal(again.masks.wide(), model.masks.wide())
    assert {"torch", "numpy"} <= manifest["packages"].keys()


def test_same_seed_same_bytes(tmp_path):
    adata = make_adata()
    for name in ("one", "two"):
        torch.manual_seed(len(name))  # The state of the global generator must not matter.
        mssvae.MSSVAE(adata, seed=3, **SMALL).fit(**SHORT).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    other = mssvae.MSSVAE(adata, seed=4, **SMALL).fit(**SHORT)
    same = mssvae.MSSVAE.load(tmp_path / "one", adata, device="cpu")
    assert not np.array_equal(other.masks.wide(), same.masks.wide())


def test_fit_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    mssvae.MSSVAE(make_adata(), **SMALL).fit(**SHORT)
    torch.testing.assert_close(torch.get_rng_state(), before)


def test_layers_and_sparse_matrices_are_read():
    from scipy import sparse

    adata = make_adata()
    dense = mssvae.MSSVAE(adata, **SMALL).fit(**SHORT)
    adata.layers["counts"] = sparse.csr_matrix(adata.X)
    adata.X = adata.X * 0.5
    layered = mssvae.MSSVAE(adata, layer="counts", **SMALL).fit(**SHORT)
    pd.testing.assert_frame_equal(dense.masks.wide(), layered.masks.wide())


def test_all_parameters_move_but_dead_columns_stay_zero():
    model = mssvae.MSSVAE(make_adata(), **SMALL)
    start = {name: p.detach().clone() for name, p in model.module.named_parameters()}
    with torch.no_grad():
        model.module.shared_mask[:, 0] = 0
        model.module.alive_0[0] = False
    model.fit(**SHORT)
    assert (model.masks.shared["shared_01"] == 0).all()
    assert (model.latent().shared["shared_01"] == 0).all()
    still = [n for n, p in model.module.named_parameters() if torch.equal(p, start[n])]
    assert still == []


def test_a_shared_and_a_specific_block_are_recovered():
    """One factor moves the first six features in both studies, one the others in study b alone."""
    rng = np.random.default_rng(5)
    n = 400
    shared, own = rng.normal(size=(2, n, 1))
    in_b = (np.arange(n) % 2 == 1)[:, None]
    x = np.hstack([np.tile(shared, 6), np.tile(own * in_b, 6)]) * 3 + rng.normal(size=(n, 12))
    adata = ad.AnnData(x.astype(np.float32))
    adata.obs["group"] = np.where(in_b[:, 0], "b", "a")
    model = mssvae.MSSVAE(
        adata, likelihood="gaussian", n_shared=2, n_specific=2, hidden=(16, 16), device="cpu"
    ).fit(decoder="nonlinear", max_epochs=300, batch_size=100, lr=0.01)

    sets = gene_sets(model.masks.wide(), threshold=0.5)
    found = {name: sorted(map(int, genes)) for name, genes in sets.items() if genes}
    (first, first_block), (second, second_block) = found.items()
    assert first.startswith("shared")
    assert first_block == [0, 1, 2, 3, 4, 5]
    assert second.startswith("b_")
    assert second_block == [6, 7, 8, 9, 10, 11]
    correlation = np.corrcoef(model.latent().shared[first], shared[:, 0])[0, 1]
    assert abs(correlation) > 0.95
    # With supports as clear as these, training ends before its last epoch.
    assert len(model.history) < 300


@pytest.mark.parametrize(("screen_every", "comes_back"), [(5, True), (1000, False)])
def test_an_entry_lost_at_zero_comes_back_when_all_are_screened(
    monkeypatch, screen_every, comes_back
):
    """The entry is lost in the one feature that then has no factor, and no gradient."""
    rng = np.random.default_rng(5)
    factor = rng.normal(size=(300, 1))
    x = np.tile(factor, 6) * 3 + rng.normal(size=(300, 6))
    adata = ad.AnnData(x.astype(np.float32))
    adata.obs["group"] = ["a", "b"] * 150
    model = mssvae.MSSVAE(
        adata, likelihood="gaussian", n_shared=1, n_specific=1, hidden=(16, 16), device="cpu"
    )

    def lose_an_entry(state, moves, last):
        with torch.no_grad():
            for mask in state.module.masks:
                mask[2] = 0
        return {}

    monkeypatch.setattr(Restructuring, "run", lose_an_entry)
    monkeypatch.setattr(mssvae.core.decoder, "_LARGE_DECODER", 0)
    model.fit(
        decoder="nonlinear", max_epochs=120, batch_size=50, lr=0.01, screen_every=screen_every
    )
    support = model.support.wide()
    assert support.drop(index="2").any(axis=1).all()
    assert support.loc["2"].any() == comes_back


class TestSampler:
    def test_every_study_is_as_likely_and_batches_are_equal(self):
        study = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
        x = torch.arange(1000.0).unsqueeze(1)
        sampler = BatchSampler(
            x, torch.zeros(1000), study, 300, None, torch.Generator().manual_seed(0)
        )
        batches = [batch for _ in range(30) for batch in sampler]
        assert {len(batch.x) for batch in batches} == {250}
        counts = torch.tensor([batch.counts for batch in batches])
        assert counts.unique().tolist() == [83, 84]
        assert counts.sum(0).tolist() == [10_000] * 3
        for batch in batches:
            in_order = torch.repeat_interleave(torch.arange(3), torch.tensor(batch.counts))
            torch.testing.assert_close(study[batch.x[:, 0].long()], in_order)
        drawn = torch.cat([batch.x[:, 0] for batch in batches]).long().bincount(minlength=1000)
        for m, times in enumerate((10_000 / 900, 10_000 / 90, 10_000 / 10)):
            assert drawn[study == m].double().mean() == pytest.approx(times)
            assert drawn[study == m].min() > 0

    def test_features_are_drawn_equally_often(self):
        x = torch.zeros(40, 11)
        sampler = BatchSampler(
            x, x[:, 0], torch.zeros(40).long(), 10, 4, torch.Generator().manual_seed(0)
        )
        drawn = [batch.features for _ in range(6) for batch in sampler]
        assert {len(features) for features in drawn} == {3, 4}
        for features in drawn:
            assert (features.diff() > 0).all()
        for first in range(0, 24, 3):  # Three parts make all features once.
            assert sorted(torch.cat(drawn[first : first + 3]).tolist()) == list(range(11))

    def test_some_features_a_step_find_what_all_do(self):
        adata = make_adata("gaussian", n=100)
        adata.X += 3 * np.random.default_rng(1).normal(size=(100, 1)).astype(np.float32)
        all_, some = (
            mssvae.MSSVAE(adata, likelihood="gaussian", **SMALL).fit(
                decoder="nonlinear",
                max_epochs=50,
                batch_size=20,
                lr=0.01,
                features_per_batch=features,
            )
            for features in (None, 6)
        )
        elbo = [model.history["elbo"].iloc[-10:].mean() for model in (all_, some)]
        start = all_.history["elbo"].iloc[0]
        assert elbo[1] - start > 0.8 * (elbo[0] - start) > 5

    def test_a_batch_without_or_with_one_sample_of_a_study_is_no_problem(self):
        model = mssvae.MSSVAE(make_adata(n=40), **SMALL).fit(
            decoder="nonlinear", max_epochs=3, batch_size=2
        )
        assert np.isfinite(model.history["objective"]).all()


@pytest.mark.parametrize(("n_samples", "epochs"), [(3000, 334), (284, 2667), (100_000, 11)])
def test_without_a_number_of_epochs_a_fit_has_8000_steps_at_most(n_samples, epochs):
    assert FitSettings().for_samples(n_samples).max_epochs == epochs
    assert FitSettings(max_epochs=3).for_samples(n_samples).max_epochs == 3


class TestSpikeRate:
    def test_ladder_is_the_published_one(self):
        settings = FitSettings(max_epochs=100)
        assert [settings.lambda0_at(e) for e in (0, 4, 5, 29, 30, 99)] == [1, 1, 10, 10, 15, 15]

    @pytest.mark.parametrize("lambda0", [[], [(0.1, 1)], [(0, 1), (0.5, 2), (0.4, 3)], [(0, -1)]])
    def test_a_ladder_that_makes_no_sense_is_refused(self, lambda0):
        with pytest.raises(InputError, match="lambda0"):
            FitSettings(lambda0=lambda0)


class TestBadInput:
    def fails(self, match, adata=None, **settings):
        with pytest.raises(InputError, match=match):
            mssvae.MSSVAE(make_adata() if adata is None else adata, **(SMALL | settings))

    def test_unknown_likelihood(self):
        self.fails("unknown likelihood 'poisson'", likelihood="poisson")

    def test_cuda_without_cuda(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        self.fails("'cuda' was asked for", device="cuda")

    def test_missing_study_column(self):
        self.fails("no column 'disease'", study_key="disease")

    def test_sample_without_study(self):
        adata = make_adata()
        adata.obs.loc["sample7", "group"] = None
        self.fails("'sample7'", adata)

    def test_study_with_one_sample(self):
        adata = make_adata()
        adata.obs.loc["sample7", "group"] = "alone"
        self.fails("'alone' has one sample", adata)
        adata.obs.loc["sample8", "group"] = "lonely"
        self.fails("'alone', 'lonely' have one sample", adata)

    @pytest.mark.parametrize("name", ["shared", "GBM/IDH"])
    def test_study_names_that_tables_and_files_cannot_hold(self, name):
        adata = make_adata()
        adata.obs["group"] = adata.obs["group"].replace("MS", name)
        self.fails(f"rename '{name}'", adata)

    def test_data_that_are_missing(self):
        adata = make_adata()
        self.fails("adata.X is empty", ad.AnnData(obs=adata.obs, var=adata.var))

    @pytest.mark.parametrize(
        "device",
        ["gpu", "cuda:x", "cuda:01", "mps", None, 0, True, np.array(["cpu"]), torch.device("meta")],
    )
    def test_unknown_device(self, device):
        self.fails("unknown device", device=device)

    def test_devices_of_torch_are_devices(self):
        settings = SMALL | {"device": torch.device("cpu")}
        assert mssvae.MSSVAE(make_adata(), **settings).device == torch.device("cpu")

    @pytest.mark.parametrize("key", ["study_key", "layer", "likelihood"])
    @pytest.mark.parametrize("value", [3, ["group"], b"group", np.array(["group"])])
    def test_names_that_are_no_text(self, key, value):
        self.fails(key, **{key: value})

    @pytest.mark.parametrize("preset", [None, 1, ["default"], FitSettings()])
    def test_presets_that_are_no_text(self, preset):
        with pytest.raises(InputError, match="unknown preset"):
            mssvae.MSSVAE(make_adata(), **SMALL).fit(preset)

    def test_a_gpu_beyond_those_there_are(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        self.fails("there are 1 GPUs", device="cuda:7")
        self.fails("there are 1 GPUs", device="cuda:99999999999")

    @pytest.mark.parametrize("value", [-1, 0.5, np.nan, np.inf])
    def test_counts_that_are_none(self, value):
        adata = make_adata()
        adata.X[7, 3] = value
        self.fails("adata.X: the count of gene 'gene3' in sample 'sample7'", adata)

    def test_nan_in_gaussian_data(self):
        adata = make_adata("gaussian")
        adata.X[7, 3] = np.nan
        self.fails("sample 'sample7', feature 'gene3'", adata, likelihood="gaussian")

    def test_constant_feature_in_gaussian_data(self):
        adata = make_adata("gaussian")
        adata.X[:, 3] = 1
        self.fails("same value in every sample, such as 'gene3'", adata, likelihood="gaussian")

    def test_data_on_disk(self, tmp_path):
        make_adata().write_h5ad(tmp_path / "counts.h5ad")
        self.fails("to_memory", ad.read_h5ad(tmp_path / "counts.h5ad", backed="r"))

    def test_studies_that_are_written_alike(self):
        adata = make_adata()
        adata.obs["group"] = pd.Categorical([1] * 45 + ["1"] * 45)
        self.fails("both written '1'", adata)

    def test_empty_sample(self):
        adata = make_adata()
        adata.X[7] = 0
        self.fails("'sample7' has no counts", adata)

    @pytest.mark.filterwarnings("ignore:.*names are not unique")
    def test_repeated_gene(self):
        adata = make_adata()
        adata.var_names = ["gene0"] * 2 + [f"gene{j}" for j in range(2, 12)]
        self.fails("gene names occur more than once, such as 'gene0'", adata)

    def test_unknown_layer(self):
        self.fails("no layer 'raw'", layer="raw")

    @pytest.mark.parametrize(
        "settings",
        [
            *({"n_shared": -1}, {"n_shared": 2.5}, {"n_specific": -1}, {"seed": -1}),
            *({"n_shared": 0, "n_specific": 0}, {"n_shared": True}, {"seed": None}),
            *({"hidden": (8,)}, {"hidden": (8, 0)}, {"hidden": 64}, {"hidden": None}),
        ],
    )
    def test_sizes(self, settings):
        self.fails(next(iter(settings)), **settings)

    @pytest.mark.parametrize("key", ["max_epochs", "batch_size", "lr", "lr_mask", "prior_scale"])
    def test_settings_of_the_fit(self, key):
        with pytest.raises(InputError, match=key):
            mssvae.MSSVAE(make_adata(), **SMALL).fit(**{key: -1})

    @pytest.mark.parametrize("key", ["max_epochs", "batch_size", "patience"])
    def test_settings_that_are_not_whole(self, key):
        with pytest.raises(InputError, match=f"{key} must be a whole number"):
            FitSettings(**{key: 2.5})

    def test_fitting_twice(self):
        model = mssvae.MSSVAE(make_adata(), **SMALL).fit(**SHORT)
        with pytest.raises(InputError, match="is fitted"):
            model.fit(**SHORT)

    def test_nan_loss_names_epoch_and_study(self, monkeypatch):
        """Also where several batches follow in the epoch."""
        model = mssvae.MSSVAE(make_adata(), **SMALL)
        original, calls = training.backpropagate, []

        def break_an_encoder_in_the_second_epoch(module, *args, **kwargs):
            calls.append(1)
            if len(calls) == 4:  # Three batches an epoch.
                with torch.no_grad():
                    module.specific_encoders[1].mean.bias.fill_(torch.nan)
            return original(module, *args, **kwargs)

        monkeypatch.setattr(training, "backpropagate", break_an_encoder_in_the_second_epoch)
        with pytest.raises(FitError, match="not finite in epoch 2, study 'Healthy':"):
            model.fit(**SHORT)

    def test_what_diverges_in_the_last_step(self):
        model = mssvae.MSSVAE(make_adata(), **SMALL)
        with pytest.raises(FitError, match="parameters are not finite after epoch 1"):
            model.fit(decoder="nonlinear", max_epochs=1, batch_size=90, lr=1e38)

    @pytest.mark.parametrize("error", [FitError, KeyboardInterrupt])
    def test_a_fit_that_fails_leaves_the_model_as_it_was(self, error, monkeypatch):
        model, fresh = (mssvae.MSSVAE(make_adata(), **SMALL) for _ in range(2))
        with monkeypatch.context() as patch:
            patch.setattr(training, "check_finite", Mock(side_effect=error))
            with pytest.raises(error):
                model.fit(**SHORT)
        assert not model.module.training
        pd.testing.assert_frame_equal(model.latent().shared, fresh.latent().shared)
        model, fresh = model.fit(**SHORT), fresh.fit(**SHORT)
        pd.testing.assert_frame_equal(model.masks.wide(), fresh.masks.wide())

    def test_loading_something_else(self, fitted, tmp_path):
        adata, model = fitted
        model.save(tmp_path / "model")
        (tmp_path / "text").write_text("no model")
        (tmp_path / "empty").touch()
        (tmp_path / "half").write_bytes((tmp_path / "model").read_bytes()[:5000])
        np.save(tmp_path / "array.npy", np.zeros(3))
        np.savez(tmp_path / "arrays.npz", about=np.array("{}"))
        for name in ("none", "text", "empty", "half", "array.npy", "arrays.npz"):
            with pytest.raises(InputError, match=f"{name} is not a model"):
                mssvae.MSSVAE.load(tmp_path / name, adata)
        mixed = adata.copy()
        mixed.obs["group"] = adata.obs["group"].to_numpy()[::-1]
        with pytest.raises(InputError, match="studies of the samples"):
            mssvae.MSSVAE.load(tmp_path / "model", mixed)
        changed = adata.copy()
        changed.X[0, 0] += 1
        with pytest.raises(InputError, match="values of adata"):
            mssvae.MSSVAE.load(tmp_path / "model", changed)
        with pytest.raises(InputError, match="obs_names"):
            mssvae.MSSVAE.load(tmp_path / "model", adata[5:].copy())
        with pytest.raises(InputError, match="features"):
            mssvae.MSSVAE.load(tmp_path / "model", adata[:, 1:].copy())

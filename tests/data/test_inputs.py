"""What a model reads from an AnnData, however it is stored, and what it refuses by name."""

import logging
from fractions import Fraction

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from models import SHORT, SMALL, make_adata
from scipy import sparse

import mssvae
from mssvae.errors import InputError


def make_model(adata, likelihood="negative_binomial", **settings):
    return mssvae.MSSVAE(adata, likelihood=likelihood, **(SMALL | settings))


def with_values(x, likelihood="negative_binomial"):
    adata = make_adata(likelihood)
    adata.X = x
    return adata


def in_halves(x):
    """The same matrix with two entries for each place."""
    coo = sparse.coo_matrix(x)
    places = np.tile([coo.row, coo.col], 2)
    order = np.argsort(places[0], kind="stable")
    starts = np.concatenate([[0], np.bincount(places[0], minlength=len(x)).cumsum()])
    values = np.tile(coo.data / 2, 2)
    return sparse.csr_matrix((values[order], places[1][order], starts), shape=x.shape)


STORAGES = {
    "integers": lambda x: x.astype(np.int32),
    "half precision": lambda x: x.astype(np.float16),
    "double precision": lambda x: x.astype(np.float64),
    "objects": lambda x: x.astype(object),
    "fractions": lambda x: np.vectorize(lambda v: Fraction(int(v)), otypes=[object])(x),
    "Fortran order": np.asfortranarray,
    "sparse columns": sparse.csc_matrix,
    "a sparse array": sparse.csr_array,
    "sparse halves": in_halves,
    "masked, but nothing": np.ma.masked_array,
}


@pytest.mark.parametrize("storage", STORAGES)
def test_storage_does_not_matter(storage):
    x = make_adata().X
    model = make_model(with_values(STORAGES[storage](x)))
    torch.testing.assert_close(model._data.x, torch.from_numpy(x), rtol=0, atol=0)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
@pytest.mark.parametrize("value", ["n.d.", None, pd.NA, pd.Timestamp("2020-01-01"), 1j])
def test_objects_that_are_no_numbers_are_named_by_place(likelihood, value):
    x = make_adata(likelihood).X.astype(object)
    x[7, 3] = value
    with pytest.raises(InputError, match=r"sample7.*gene3|gene3.*sample7"):
        make_model(with_values(x, likelihood), likelihood)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
@pytest.mark.parametrize("where", [None, "raw"])
def test_masked_values_are_missing(likelihood, where):
    adata = make_adata(likelihood)
    hidden = np.zeros(adata.shape, dtype=bool)
    hidden[7, 3] = True
    masked = np.ma.masked_array(np.where(hidden, -999, adata.X), mask=hidden)
    if where is None:
        adata.X = masked
    else:
        adata.layers["raw"] = masked
    with pytest.raises(InputError, match=r"missing \(masked\).*'sample7'.*'gene3'"):
        make_model(adata, likelihood, layer=where)


@pytest.mark.parametrize("dtype", [complex, "U8", "M8[s]"])
def test_types_that_are_no_real_numbers_are_named(dtype):
    with pytest.raises(InputError, match=r"adata\.X holds values of the type"):
        make_model(with_values(make_adata().X.astype(int).astype(dtype)))


@pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
def test_nothing_left_is_said(likelihood):
    adata = make_adata(likelihood)
    with pytest.raises(InputError, match="no samples"):
        make_model(adata[:0].copy(), likelihood)
    with pytest.raises(InputError, match="no features"):
        make_model(adata[:, :0].copy(), likelihood)


@pytest.mark.parametrize("other", [None, "data.h5ad", np.ones((3, 2)), pd.DataFrame({"a": [1]})])
def test_an_anndata_is_needed(other, tmp_path):
    adata = make_adata()
    model = make_model(adata).fit(**SHORT | {"max_epochs": 1})
    model.save(tmp_path / "model")
    for call in (
        make_model,
        model.to_anndata,
        lambda it: mssvae.MSSVAE.load(tmp_path / "model", it),
    ):
        with pytest.raises(InputError, match=f"an AnnData is needed, not a {type(other).__name__}"):
            call(other)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
def test_what_happens_to_the_anndata_later_does_not_matter(likelihood):
    adata = make_adata(likelihood)
    model, changed = (make_model(adata, likelihood) for _ in range(2))
    np.log1p(np.abs(adata.X), out=adata.X)
    adata.obs["group"] = "one"
    settings = SHORT | {"max_epochs": 2, "standardise": False}
    changed.fit(**settings)
    assert changed.studies == ["GBM", "Healthy", "MS"]
    pd.testing.assert_frame_equal(
        changed.history, make_model(make_adata(likelihood), likelihood).fit(**settings).history
    )
    assert changed._data.about() == model._data.about()


class TestStudies:
    def with_studies(self, one, other):
        adata = make_adata()
        adata.obs["group"] = pd.Series([one] * 45 + [other] * 45, adata.obs_names, dtype=object)
        return adata

    @pytest.mark.parametrize("blank", ["", " ", "\t", None, np.nan])
    def test_blank_names_are_missing(self, blank):
        with pytest.raises(InputError, match="45 samples have no 'group': 'sample0', 'sample1'"):
            make_model(self.with_studies(blank, "b"))

    def test_names_that_differ_by_blanks_are_one(self):
        with pytest.raises(InputError, match="both written 'a', but for blanks"):
            make_model(self.with_studies("a", "a "))

    @pytest.mark.parametrize(
        ("one", "other"),
        [("a", "shared_a"), ("a", "a_shared"), ("shared_a", "a_shared"), ("shared", "a")],
    )
    def test_names_that_make_names_of_factors_ambiguous(self, one, other):
        with pytest.raises(InputError, match=r"shared.*: rename"):
            make_model(self.with_studies(one, other))

    @pytest.mark.parametrize(("one", "other"), [("a", "a_01"), ("a_b", "a"), ("shared_b", "a")])
    def test_names_that_are_only_alike(self, one, other):
        model = make_model(self.with_studies(one, other)).fit(**SHORT | {"max_epochs": 1})
        assert model.masks.wide().columns.is_unique

    def test_a_column_that_is_there_twice(self):
        adata = make_adata()
        adata.obs = pd.concat([adata.obs, adata.obs], axis=1)
        with pytest.raises(InputError, match="'group', or several"):
            make_model(adata)

    @pytest.mark.parametrize(
        ("one", "other"), [("plasma", 2), (1, 2), (True, False), (b"a", b"b"), (0.5, 1.5)]
    )
    def test_of_any_type_are_text_in_files(self, one, other, tmp_path):
        adata = self.with_studies(one, other)
        model = make_model(adata).fit(**SHORT | {"max_epochs": 1})
        model.to_anndata(adata).write_h5ad(tmp_path / "factors.h5ad")
        model.save(tmp_path / "model")
        again = ad.read_h5ad(tmp_path / "factors.h5ad")
        assert mssvae.MSSVAE.load(tmp_path / "model", again).studies == model.studies
        assert set(again.obs["group"]) == set(model.studies)
        assert adata.obs["group"].iloc[0] == one


class TestUnits:
    @pytest.fixture
    def adata(self):
        adata = make_adata("gaussian")
        adata.X = np.round(adata.X * 1024) / 1024  # No digit is lost in other units.
        return adata

    def in_units(self, adata, scale, offset=0.0):
        other = adata.copy()
        other.X = (adata.X * scale + offset).astype(np.float32)
        return other

    def test_powers_of_two_make_no_difference(self, adata):
        scales = np.where(np.arange(adata.n_vars) % 2, 128.0, 1 / 64)
        model, other = (make_model(a, "gaussian") for a in (adata, self.in_units(adata, scales)))
        torch.testing.assert_close(model._data.x, other._data.x, rtol=0, atol=0)
        settings = SHORT | {"max_epochs": 2}
        pd.testing.assert_frame_equal(
            model.fit(**settings).masks.wide(), other.fit(**settings).masks.wide()
        )
        np.testing.assert_array_equal(other.units["scale"], model.units["scale"] * scales)

    def test_offsets_cost_no_digits(self, adata):
        model, other = (make_model(a, "gaussian") for a in (adata, self.in_units(adata, 1, 273)))
        torch.testing.assert_close(model._data.x, other._data.x, rtol=0, atol=1e-6)
        np.testing.assert_allclose(other.units["centre"], model.units["centre"] + 273)

    @pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e290])
    def test_extreme_scales(self, adata, scale):
        expected = make_model(adata, "gaussian")._data.x
        adata.X = adata.X.astype(np.float64) * scale
        torch.testing.assert_close(make_model(adata, "gaussian")._data.x, expected)

    def test_are_saved_and_loaded(self, adata, tmp_path):
        for standardise in (True, False):
            settings = SHORT | {"max_epochs": 1, "standardise": standardise}
            model = make_model(adata, "gaussian").fit(**settings)
            model.save(tmp_path / "model")
            loaded = mssvae.MSSVAE.load(tmp_path / "model", adata)
            pd.testing.assert_frame_equal(loaded.units, model.units)
            pd.testing.assert_frame_equal(loaded.latent().shared, model.latent().shared)

    def test_of_counts_are_counts(self):
        model = make_model(make_adata())
        assert (model.units["centre"] == 0).all()
        assert (model.units["scale"] == 1).all()

    def test_as_they_are_in_the_preset_of_the_paper(self, adata, caplog):
        model = make_model(adata, "gaussian").fit("paper", max_epochs=1)
        np.testing.assert_array_equal(model._data.x, adata.X)
        assert (model.units["scale"] == 1).all()
        assert "far from standard deviations of 1" not in caplog.text

    @pytest.mark.parametrize(("scale", "offset"), [(128, 0), (0.001, 0), (1, 273)])
    def test_far_from_1_are_told_in_the_preset_of_the_paper(self, adata, scale, offset, caplog):
        other = self.in_units(adata, scale, offset)
        make_model(other, "gaussian").fit("paper", max_epochs=1)
        assert "12 of 12 features, such as 'gene0', are far from" in caplog.text

    def test_too_large_for_single_precision(self, adata):
        adata.X = adata.X.astype(np.float64) * 1e39
        model = make_model(adata, "gaussian")
        before = model._data.x
        with pytest.raises(InputError, match="'gene0' are too large for single precision"):
            model.fit("paper", max_epochs=1)
        torch.testing.assert_close(model._data.x, before)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_features_that_vary_by_rounding_alone_are_constant(self, adata, dtype):
        x = adata.X.astype(dtype)
        x[:, 3] = np.nextafter(dtype(273), dtype(300))
        x[0, 3] = 273
        adata.X = x
        with pytest.raises(InputError, match="same value in every sample, such as 'gene3'"):
            make_model(adata, "gaussian")


class TestSamplesThatDoNotDiffer:
    @pytest.mark.parametrize("x", [np.ones((90, 12)), np.tile(np.arange(12), (90, 1))])
    def test_counts_of_all_samples(self, x):
        with pytest.raises(InputError, match="all 90 samples have the same counts"):
            make_model(with_values(x))

    @pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
    @pytest.mark.parametrize("studies", [["MS"], ["MS", "GBM", "Healthy"]])
    def test_within_studies(self, likelihood, studies, caplog):
        adata = make_adata(likelihood)
        for study in studies:
            rows = np.flatnonzero(adata.obs["group"] == study)
            adata.X[rows] = adata.X[rows[0]]
        model = make_model(adata, likelihood).fit(max_epochs=12, batch_size=45)
        for study in studies:
            assert f"samples of study '{study}' are all the same" in caplog.text
        assert np.isfinite(model.masks.wide()).all(axis=None)
        assert np.isfinite(model.latent().shared).all(axis=None)
        assert np.isfinite(model.history.drop(columns="moves", errors="ignore")).all(axis=None)
        model.assigned(), model.factor_table()

    def test_but_in_their_depths(self):
        x = np.full((90, 12), 7)
        x[::2] *= 2
        model = make_model(with_values(x)).fit(max_epochs=12, batch_size=45)
        assert np.isfinite(model.history.drop(columns="moves", errors="ignore")).all(axis=None)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "gaussian"])
def test_one_feature_can_be_fitted(likelihood):
    adata = make_adata(likelihood)[:, :1].copy()
    adata.X = adata.X + 1
    model = make_model(adata, likelihood).fit(max_epochs=12, batch_size=45)
    assert np.isfinite(model.history.drop(columns="moves", errors="ignore")).all(axis=None)


def test_a_study_column_of_texts_is_kept_as_it_is(caplog):
    caplog.set_level(logging.WARNING)
    adata = make_adata()
    result = make_model(adata).fit(**SHORT | {"max_epochs": 1}).to_anndata(adata)
    pd.testing.assert_series_equal(result.obs["group"], adata.obs["group"])
    assert "replaces" not in caplog.text
    make_model(adata).fit(**SHORT | {"max_epochs": 1}).to_anndata(result)
    assert "to_anndata replaces varm['mssvae_MS'] of adata" in caplog.text

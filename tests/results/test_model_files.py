"""Files of saved models: the same data under other names, and files that are others or changed."""

import json

import numpy as np
import pandas as pd
import pytest
from models import SHORT, SMALL, make_adata

import mssvae
from mssvae.errors import InputError


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Gaussian data, a model, and the file of it."""
    adata = make_adata("gaussian")
    model = mssvae.MSSVAE(adata, likelihood="gaussian", **SMALL).fit(**SHORT | {"max_epochs": 2})
    path = tmp_path_factory.mktemp("saved") / "model.npz"
    model.save(path)
    return adata, model, path


class TestTheSameData:
    def loads(self, fitted, adata, **where):
        _, model, path = fitted
        loaded = mssvae.MSSVAE.load(path, adata, device="cpu", **where)
        pd.testing.assert_frame_equal(loaded.masks.wide(), model.masks.wide())
        pd.testing.assert_frame_equal(loaded.latent().shared, model.latent().shared)
        return loaded

    def test_with_studies_in_another_column(self, fitted, tmp_path):
        other = fitted[0].copy()
        other.obs = other.obs.rename(columns={"group": "disease"})
        loaded = self.loads(fitted, other, study_key="disease")
        loaded.save(tmp_path / "again")  # Now under the new name.
        assert mssvae.MSSVAE.load(tmp_path / "again", other).settings["study_key"] == "disease"
        other.obs["disease"] = other.obs["disease"].to_numpy()[::-1]
        with pytest.raises(InputError, match="studies of the samples"):
            self.loads(fitted, other, study_key="disease")

    def test_in_a_layer(self, fitted):
        other = fitted[0].copy()
        other.layers["raw"] = other.X.copy()
        other.X = other.X * 2
        self.loads(fitted, other, layer="raw")
        with pytest.raises(InputError, match="values of adata"):
            self.loads(fitted, other)

    def test_in_x_that_were_in_a_layer(self, tmp_path):
        adata = make_adata()
        adata.layers["raw"] = adata.X.copy()
        mssvae.MSSVAE(adata, layer="raw", **SMALL).save(tmp_path / "model")
        del adata.layers["raw"]
        loaded = mssvae.MSSVAE.load(tmp_path / "model", adata, layer=None)
        assert loaded.settings["layer"] is None

    def test_in_double_precision(self, fitted):
        other = fitted[0].copy()
        other.X = other.X.astype(np.float64)
        self.loads(fitted, other)


# What another version, or damage, may have done to arrays and description.
CHANGES = {
    "no parameter": lambda arrays, about: arrays.pop("shared_mask"),
    "no unit": lambda arrays, about: arrays.pop("units.scale"),
    "no units": lambda arrays, about: [arrays.pop(f"units.{key}") for key in ("centre", "scale")],
    "another shape": lambda arrays, about: arrays.update(shared_mask=np.ones((12, 3), "f4")),
    "units of others": lambda arrays, about: arrays.update({"units.scale": np.ones(3)}),
    "another type": lambda arrays, about: arrays.update(shared_mask=np.ones((12, 4), complex)),
    "text": lambda arrays, about: arrays.update(shared_mask=np.array(["a"])),
    "not finite": lambda arrays, about: arrays["shared_mask"].fill(np.nan),
    "a new parameter": lambda arrays, about: arrays.update(attention=np.zeros(3)),
    "no history": lambda arrays, about: about.pop("history"),
    "another history": lambda arrays, about: about["history"].update(elbo=[1]),
    "no checksum": lambda arrays, about: about.pop("data_sha256"),
    "no studies": lambda arrays, about: about.pop("studies"),
    "no setting": lambda arrays, about: about["settings"].pop("hidden"),
    "a new setting": lambda arrays, about: about["settings"].update(n_layers=3),
    "a setting of another type": lambda arrays, about: about["settings"].update(hidden="wide"),
    "a new setting of the fit": lambda arrays, about: about["fit"].update(warm_up=3),
    "a setting of the fit out of range": lambda arrays, about: about["fit"].update(lr=-1),
    "no version": lambda arrays, about: about.pop("version"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit_this_version_is_refused_by_the_name_of_the_file(
    change, fitted, tmp_path
):
    adata, _, path = fitted
    with np.load(path) as content:
        arrays = dict(content)
    about = json.loads(str(arrays.pop("about")))
    CHANGES[change](arrays, about)
    np.savez(tmp_path / "old_model.npz", about=np.array(json.dumps(about)), **arrays)
    expected = "old_model.npz does not fit this version|old_model.npz is not a model"
    with pytest.raises(InputError, match=expected):
        mssvae.MSSVAE.load(tmp_path / "old_model.npz", adata)


def test_a_changed_bit_is_found_or_harmless(fitted, tmp_path):
    adata, model, path = fitted
    content, refusals = path.read_bytes(), []
    for place in np.linspace(0, 8 * len(content) - 1, 40).astype(int):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        (tmp_path / "model.npz").write_bytes(changed)
        try:
            loaded = mssvae.MSSVAE.load(tmp_path / "model.npz", adata, device="cpu")
        except InputError as error:
            refusals.append(str(error))
        else:  # Such as in a time stamp.
            pd.testing.assert_frame_equal(loaded.masks.wide(), model.masks.wide())
    assert len(refusals) > 20
    assert all("model.npz" in refusal for refusal in refusals)


@pytest.mark.parametrize("path", [None, 5, b"model", "", "a\0b", "~nobody-is-called-so/model"])
def test_paths_that_are_none_are_named(path, fitted):
    adata, model, _ = fitted
    for call in (model.save, lambda path: mssvae.MSSVAE.load(path, adata)):
        with pytest.raises(InputError, match="is no path of a file"):
            call(path)


def test_a_tilde_is_the_home_folder(fitted, tmp_path, monkeypatch):
    adata, model, _ = fitted
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    model.save("~/results/model.npz")
    assert (home / "results/model.npz").exists()
    assert list(work.iterdir()) == []
    mssvae.MSSVAE.load("~/results/model.npz", adata)

"""The files of fitted models: arrays and JSON in one ``.npz``, no pickled code, no data."""

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from mssvae import __version__
from mssvae.core.module import MultiStudyModule
from mssvae.data.files import atomic_path, user_path
from mssvae.data.inputs import Units
from mssvae.data.model_data import ModelData
from mssvae.errors import InputError
from mssvae.fitting.settings import FitSettings, ModelSettings, model_settings

# What a saved model knows of its data, in words for messages.
DATA = {
    "studies": "studies",
    "obs_names": "samples (obs_names)",
    "var_names": "features (var_names)",
    "data_sha256": "values",
    "studies_sha256": "studies of the samples",
}
# Names of the arrays that are no parameters.
_CENTRE, _SCALE = "units.centre", "units.scale"
_ABOUT = {"version": str, "settings": dict, "fit": (dict, type(None)), "history": dict}
# What numpy, zipfile and json raise of files that are others, cut or changed.
_UNREADABLE = (
    *(OSError, EOFError, TypeError, ValueError, KeyError, AttributeError, NotImplementedError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error),
)


def write_model(
    path: str | os.PathLike, about: Mapping[str, object], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a model: ``about``, what JSON can hold, and arrays by name."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, about=np.array(json.dumps(about)), **arrays)


@dataclass(frozen=True)
class SavedModel:
    """What a file holds of a model.

    Attributes
    ----------
    path : path
        Of the file, for messages.
    about : dict
        What it was written with; has the version, and the keys of ``DATA``.
    settings : ModelSettings
        Arguments of ``MSSVAE``.
    fit : FitSettings or None
        None if the model was not fitted.
    history : DataFrame
    arrays : dict of str to array
    """

    path: str | os.PathLike
    about: dict[str, object]
    settings: ModelSettings
    fit: FitSettings | None
    history: pd.DataFrame
    arrays: dict[str, np.ndarray]

    def restore(self, module: MultiStudyModule, data: ModelData) -> ModelData:
        """Put the parameters into a module; return the data in the units that they were in.

        Raises InputError if the data are others, or parameters do not fit.
        """
        for key, found in data.about().items():
            if self.about[key] != found:
                raise InputError(
                    f"the {DATA[key]} of adata are not those that {self.path} was fitted to"
                )
        data = data.in_units(self.fit is None or self.fit.standardise)
        if self.fit is not None and self.fit.decoder == "linear":
            module.hold_posteriors(data.n_samples)
        like = arrays_of(module, data)
        _check_arrays(self.path, self.about["version"], self.arrays, like)
        found = {key: torch.from_numpy(self.arrays[key]) for key in like}
        if data.units is not None:
            data = replace(data, units=Units(found.pop(_CENTRE), found.pop(_SCALE)))
        module.load_state_dict(found)
        return data


def arrays_of(module: MultiStudyModule, data: ModelData) -> dict[str, np.ndarray]:
    """Return what a saved model has of numbers."""
    arrays = {key: value.cpu().numpy() for key, value in module.state_dict().items()}
    if (units := data.units) is not None:
        arrays |= {_CENTRE: units.centre.numpy(), _SCALE: units.scale.numpy()}
    return arrays


def read_model(path: str | os.PathLike) -> SavedModel:
    """Read a file of ``write_model``.

    Raises InputError if the file is none of ``MSSVAE.save``, or one without what this version
    writes.
    """
    path = user_path(path)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = {key: content[key] for key in content}
        about = json.loads(str(arrays.pop("about")))
        version = about["version"]
    except _UNREADABLE as error:
        raise InputError(f"{path} is not a model written by MSSVAE.save: {error}") from error
    for key, kind in {**_ABOUT, **dict.fromkeys(DATA, (str, list))}.items():
        if not isinstance(about.get(key, ...), kind):
            raise _other_version(path, version, f"{key!r} is missing, or is none")
    try:
        settings = model_settings(**about["settings"])
        fit = None if about["fit"] is None else FitSettings(**about["fit"])
        history = pd.DataFrame(about["history"])
    except (TypeError, ValueError) as error:
        raise _other_version(path, version, error) from error
    return SavedModel(path, about, settings, fit, history, arrays)


def _check_arrays(
    path: str | os.PathLike,
    version: object,
    arrays: Mapping[str, np.ndarray],
    like: Mapping[str, np.ndarray],
) -> None:
    """Raise InputError unless arrays have the names, types and shapes of others, and are finite."""
    for key in [*like, *arrays]:
        if key not in like or key not in arrays:
            where = "missing" if key in like else "new"
            raise _other_version(path, version, f"the array {key!r} is {where}")
        one, other = arrays[key], like[key]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            raise _other_version(
                path,
                version,
                f"the array {key!r} is {one.dtype} {one.shape}, not {other.dtype} {other.shape}",
            )
        if not np.isfinite(one).all():
            raise _other_version(path, version, f"the array {key!r} is not finite")


def _other_version(path: str | os.PathLike, version: object, reason: object) -> InputError:
    """Return the error of a file whose content does not fit this version."""
    return InputError(
        f"{path} does not fit this version, {__version__}: version {version} of mssvae wrote it, "
        f"or it is damaged: {reason}"
    )

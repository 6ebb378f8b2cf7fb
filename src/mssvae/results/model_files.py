"""The files of fitted models: arrays and JSON in one ``.npz``, no pickled code, no data."""

import json
import os
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from mssvae import __version__
from mssvae.data.files import atomic_path, user_path
from mssvae.errors import InputError

# What a saved model knows of its data, in words for messages.
DATA = {
    "studies": "studies",
    "obs_names": "samples (obs_names)",
    "var_names": "features (var_names)",
    "data_sha256": "values",
    "studies_sha256": "studies of the samples",
}
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


def read_model(path: str | os.PathLike) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Return what ``write_model`` was given.

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
            raise other_version(path, version, f"{key!r} is missing, or is none")
    return about, arrays


def check_arrays(
    path: str | os.PathLike,
    version: object,
    arrays: Mapping[str, np.ndarray],
    like: Mapping[str, np.ndarray],
) -> None:
    """Raise InputError unless arrays have the names, types and shapes of others, and are finite."""
    for key in [*like, *arrays]:
        if key not in like or key not in arrays:
            where = "missing" if key in like else "new"
            raise other_version(path, version, f"the array {key!r} is {where}")
        one, other = arrays[key], like[key]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            raise other_version(
                path,
                version,
                f"the array {key!r} is {one.dtype} {one.shape}, not {other.dtype} {other.shape}",
            )
        if not np.isfinite(one).all():
            raise other_version(path, version, f"the array {key!r} is not finite")


def other_version(path: str | os.PathLike, version: object, reason: object) -> InputError:
    """Return the error of a file whose content does not fit this version."""
    return InputError(
        f"{path} does not fit this version, {__version__}: version {version} of mssvae wrote it, "
        f"or it is damaged: {reason}"
    )

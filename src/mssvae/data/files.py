"""Writing files so that nothing half-written is left and equal data give equal bytes."""

import errno
import glob
import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from mssvae.errors import InputError

# Columns of names, which may look like numbers ("1") or missing values ("NA").
_NAME_COLUMNS = (
    "study",
    "group",
    "factor",
    "set",
    "gene",
    "sample",
    "label",
    "reason",
    "ID",
    "Description",
    "geneID",
    "top_term",
    "feature",
    "simulation",
    "method",
    "symbol",
    "name",
)


# What to do about errors of the system that say that a place takes no file.
_ROOM = "free some disk space, or raise the quota or limit, and run again"
_FOLDER = "put it in a folder that you may write to, and run again"
_ADVICE = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM) | dict.fromkeys(
    (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR), _FOLDER
)
_TEMPORARY = ".writing-"


def user_path(path: str | os.PathLike) -> Path:
    """Return a path that a user gave, with ``~`` as the home folder.

    Raises InputError if it is no path, names no file, or there is no such home folder.
    """
    try:
        expanded = Path(path).expanduser()
    except (TypeError, RuntimeError) as error:
        raise InputError(f"{path!r} is no path of a file: {error}") from error
    if not expanded.name or "\0" in str(expanded):
        raise InputError(f"{str(path)!r} is no path of a file: give it a name")
    return expanded


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path``, renamed to it on success and removed on failure.

    A ``~`` at its start is the home folder, and folders that are missing are made.

    The temporary name keeps the suffixes of ``path``, so that writers which look at them
    (compression, figure format) behave as they would with the final name.

    Raises
    ------
    InputError
        If the disk is full, the folder takes no files, or ``path`` is none.
    """
    path = user_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, suffix=f"-{path.name}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        # HDF5 hides the first error behind the one of closing the file.
        for cause in (error, error.__context__):
            if isinstance(cause, OSError) and cause.errno in _ADVICE:
                reason, advice = os.strerror(cause.errno), _ADVICE[cause.errno]
                raise InputError(f"cannot write {path}: {reason}: {advice}") from error
        raise


def remove_leftovers(path: str | os.PathLike) -> None:
    """Remove what writers of ``path`` left that were killed; no other may be at work."""
    path = Path(path)
    random = "[a-z0-9_]" * 8  # As tempfile names them.
    for leftover in path.parent.glob(f"{_TEMPORARY}{random}-{glob.escape(path.name)}"):
        leftover.unlink()


def write_table(frame: pd.DataFrame, path: str | os.PathLike, index: bool = False) -> None:
    """Write a table, comma-separated if it is a ``.csv`` and tab-separated otherwise.

    ``.gz`` is compressed without a time stamp or file name.
    """
    content = frame.to_csv(sep=_separator(path), index=index, lineterminator="\n").encode()
    if str(path).endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_table(path: str | os.PathLike, index: str | None = None) -> pd.DataFrame:
    """Read a table of `write_table`: names stay strings, and only empty cells are missing.

    Parameters
    ----------
    path
        Table, plain or ``.gz``.
    index
        Column to use as index; None numbers the rows.
    """
    return pd.read_csv(
        path,
        sep=_separator(path),
        index_col=index,
        dtype=dict.fromkeys(_NAME_COLUMNS, str),
        keep_default_na=False,
        na_values=[""],
    )


def _separator(path: str | os.PathLike) -> str:
    return "," if ".csv" in Path(path).suffixes else "\t"


def write_json(content: object, path: str | os.PathLike) -> None:
    """Write indented JSON with a final newline."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 checksum of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

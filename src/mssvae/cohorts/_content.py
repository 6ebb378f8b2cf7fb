"""What a file holds: its first bytes say it, whatever its name is."""

import codecs
import gzip
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# What may stand between the cells of a table, and what messages call it.
SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "blanks"}
_GZIP = b"\x1f\x8b"
_UNPACK = "unpack it and name the file that is in it"
_SAVE = "save the sheet as tab-separated text"
_NAME = "give it a name that ends in"
# First bytes, what has them, and what to do about it.
_SIGNATURES = (
    (_GZIP, "a gzip file", "decompress it"),
    (b"BZh", "a bzip2 file", "decompress it"),
    (b"\xfd7zXZ", "an xz file", "decompress it"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", "decompress it"),
    (b"\x1f\x9d", "a compressed file (.Z)", "decompress it"),
    (b"PK\x03\x04", "a zip archive or a workbook (.xlsx, .ods)", f"{_UNPACK}, or {_SAVE}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0", "a workbook (.xls)", _SAVE),
    (b"\x89HDF", "an HDF5 file", f"{_NAME} .h5ad, if AnnData wrote it"),
    (b"%%MatrixMarket", "a Matrix Market file", f"{_NAME} .mtx"),
    (b"RDX", "a file of R", f"{_NAME} .RData"),
    (b"RDA", "a file of R", f"{_NAME} .RData"),
    (b"X\n\x00", "a file of R", f"{_NAME} .rds"),
    (b"PAR1", "a Parquet file", "write it as tab-separated text"),
    (b"\x93NUMPY", "an array of NumPy", "write it as tab-separated text, with names"),
    (b"SQLite format 3", "an SQLite database", "write the table as tab-separated text"),
    (b"%PDF", "a PDF", "take the table that it was made of"),
    (b"{\\rtf", "a text of a word processor", "save it as plain text"),
    (b"version https://git-lfs", "the place holder of a file in Git LFS", "fetch it: git lfs pull"),
)


def other_content(head: bytes) -> tuple[str, str] | None:
    """Say what begins with these bytes and what to do about it; None if it may be a table."""
    for signature, what, advice in _SIGNATURES:
        if head.startswith(signature):
            return what, advice
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "replace")
        return "a tar archive", _UNPACK
    except tarfile.HeaderError:
        pass
    text = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xff\xfe\xbf \t\r\n")  # Also of UTF-16.
    if text.startswith(b"<"):
        return "a web page or XML", "download the file itself: a browser shows what this page says"
    if text.startswith(b"{"):
        return "JSON", "write it as tab-separated text"
    return None


def refuse_other(head: bytes, path: Path, *own: bytes) -> None:
    """Raise InputError if a file that begins with ``head`` is neither a table nor of its ``own``.

    ``own`` are first bytes of contents that the name stands for.
    """
    found = other_content(head)
    if found and not head.startswith(own):
        what, advice = found
        raise InputError(f"{path}: the content is {what}, not what the name says: {advice}")


def read_text(path: Path, *own: bytes) -> str:
    """Return the text of a file: UTF-8, or UTF-16 with its mark; lines end in a line feed.

    A gzip file is decompressed, whatever its name is.

    Parameters
    ----------
    own
        As for ``refuse_other``.

    Raises
    ------
    InputError
        If it holds another kind of content, or null bytes.
    """
    is_gzip = _is_gzip(path)
    if is_gzip and path.suffix.lower() != ".gz":
        logger.warning("%s: a gzip file, though its name does not end in .gz", path)
    with (gzip.open if is_gzip else open)(path, "rb") as stream:
        content = stream.read()
    refuse_other(content[: tarfile.BLOCKSIZE], path, *own)
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if utf16:
        logger.info("%s: the text is UTF-16", path)
    text = content.decode("utf-16" if utf16 else "utf-8-sig")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"{path}: line {line} has null bytes, as damaged files have them: copy or download it "
            "again, and save it as UTF-8"
        )
    return text


def gzip_fault(path: Path) -> str | None:
    """Say why a gzip file, or one called .gz, cannot be decompressed to its end; None if it can."""
    if path.suffix.lower() != ".gz" and not _is_gzip(path):
        return None
    try:
        with gzip.open(path) as stream:
            # Python takes a file of no bytes for gzip.
            if not stream.read(1):
                return "the gzip file is empty"
            while stream.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        with path.open("rb") as stream:
            found = other_content(stream.read(tarfile.BLOCKSIZE))
        if found and not _is_gzip(path):
            return f"the content is {found[0]} and no gzip file"
        return f"the gzip file is truncated, damaged or not compressed ({error})"
    return None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_GZIP)) == _GZIP


@contextmanager
def readable(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turn the errors of reading a table of ``what`` into InputError that names the file."""
    # Before it is read: damaged text would be blamed on the form of the table.
    if fault := gzip_fault(Path(path)):
        raise InputError(
            f"{path}: {fault}: copy or download it again, or compress the table with gzip"
        )
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the text is not UTF-8 ({error}): save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"{path}: not a table of {what} ({str(error).strip()}): give every line as many cells "
            "as the first"
        ) from error


def existing(path: str | os.PathLike) -> Path:
    """Return the path of a file that is there; raise InputError if it is not."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}: correct the path")
    return path


def kind(path: Path) -> str:
    """Return the suffix of a file in small letters, without .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def separator(path: Path) -> str:
    """Return what separates the cells of a table by its name.

    Raises InputError if it is not called as a table.
    """
    separators = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
    if kind(path) not in separators:
        raise InputError(
            f"{path}: unknown kind of file: use .csv, .tsv or .txt, also with .gz; counts also as "
            ".mtx, .RData, .rds or .h5ad"
        )
    return separators[kind(path)]

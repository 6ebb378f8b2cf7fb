"""Finding or downloading the files of public datasets.

pooch could stand for ``_download`` alone, and would name a file before its archive is checked.
"""

import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from mssvae.cohorts._content import gzip_fault
from mssvae.cohorts._registry import RegistryFile
from mssvae.data.files import atomic_path, sha256
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20


class DownloadError(InputError):
    """A file is not on this machine and cannot be downloaded."""


def fetch(
    accession: str,
    file: RegistryFile,
    *,
    data_folder: str | os.PathLike | None,
    cache: str | os.PathLike,
    attempts: int = 3,
    wait: float = 2.0,
    timeout: float = 30.0,
) -> Path:
    """Return the path of a file: in the data folder, else in the cache, else downloaded to it.

    Parameters
    ----------
    accession
        Name of the subfolder of ``data_folder`` and ``cache`` that holds the file.
    data_folder
        Folder of files that are there already; never written to.
    cache
        Folder that downloads are kept in.
    attempts, wait, timeout
        How often to try, and the seconds to wait between two attempts and for an answer.

    Raises
    ------
    DownloadError
        If the file is in neither folder and cannot be downloaded.
    InputError
        If the file is there but damaged, or its checksum is not the one of the registry.
    """
    cached = Path(cache) / accession / file.name
    places = (
        [cached] if data_folder is None else [Path(data_folder) / accession / file.name, cached]
    )
    path = next((place for place in places if place.exists()), None)
    if path is None:
        _download(file, cached, attempts, wait, timeout)
        return cached
    checksum = "its checksum is compared" if file.sha256 else "its checksum is not known"
    logger.info("%s: %s (%s)", accession, path, checksum)
    if fault := _fault(path, file):
        raise InputError(
            f"{path}: {fault}: delete the file and fetch it anew from {file.address}, or correct "
            "the registry"
        )
    return path


def _fault(path: Path, file: RegistryFile) -> str | None:
    """Say what is wrong with the content of ``path``, if anything is."""
    if file.sha256 is not None and (found := sha256(path)) != file.sha256:
        return f"expected the SHA-256 checksum {file.sha256}, found {found}"
    return gzip_fault(path)


def _download(file: RegistryFile, path: Path, attempts: int, wait: float, timeout: float) -> None:
    for attempt in range(1, attempts + 1):
        logger.info("downloading %s (attempt %d of %d)", file.address, attempt, attempts)
        try:
            with (
                urllib.request.urlopen(file.address, timeout=timeout) as response,
                atomic_path(path) as temporary,
            ):
                with temporary.open("wb") as stream:
                    shutil.copyfileobj(response, stream, _CHUNK)
                # A connection that breaks off ends the stream without an error.
                if response.length:
                    raise OSError(f"the connection ended {response.length:,} bytes too early")
                # Before the file gets its name: later runs take what the cache has.
                if fault := _fault(temporary, file):
                    raise OSError(fault)
        except (OSError, http.client.HTTPException) as error:
            last = str(error)
            logger.warning("%s: %s", file.address, last)
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # It is the open response.
        else:
            logger.info("downloaded %s (%.1f MB)", path, path.stat().st_size / 1e6)
            return
        if attempt < attempts:
            time.sleep(wait)
    raise DownloadError(
        f"{file.name} is not on this machine and could not be downloaded from {file.address} "
        f"in {attempts} attempts ({last}): download it elsewhere and put it at {path}, or into "
        f"the folder {path.parent.name}/ of the folder that MSSVAE_DATA names"
    )

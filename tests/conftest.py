import os
from pathlib import Path

import pytest


def _folder_named_by(variable: str) -> Path:
    folder = os.environ.get(variable)
    if folder is None:
        pytest.skip(f"{variable} is not set: this test reads files that are not in the repository")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with one subfolder of GEO files per accession."""
    return _folder_named_by("MSSVAE_DATA")


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """The folder with the answers of reference software."""
    return _folder_named_by("MSSVAE_GOLDEN")

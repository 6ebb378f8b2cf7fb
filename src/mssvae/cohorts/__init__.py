"""Count matrices with a group for every sample, from GEO or from files.

A cohort is an ``AnnData``: ``X`` holds whole counts (CSR, samples x genes, float32, or float64
where a count is above 2^24), ``obs`` the columns ``label`` (as in the source), ``group``
(categorical, in the order wanted) and ``dataset``, and ``uns["source"]`` where the counts come
from.
"""

from mssvae.cohorts._cohort import from_files, from_geo
from mssvae.cohorts._fetch import DownloadError, fetch
from mssvae.cohorts._groups import ordered_groups, read_group_mapping
from mssvae.cohorts._registry import Dataset, RegistryFile, read_registry
from mssvae.cohorts._series import read_series_matrix
from mssvae.cohorts._sheets import read_sample_sheet
from mssvae.cohorts._tables import read_counts

__all__ = [
    "Dataset",
    "DownloadError",
    "RegistryFile",
    "fetch",
    "from_files",
    "from_geo",
    "ordered_groups",
    "read_counts",
    "read_group_mapping",
    "read_registry",
    "read_sample_sheet",
    "read_series_matrix",
]

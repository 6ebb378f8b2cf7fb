"""Reading count matrices from files of R."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from mssvae.cohorts._content import refuse_other
from mssvae.cohorts._count_tables import as_numbers, without_annotation
from mssvae.errors import InputError

logger = logging.getLogger(__name__)

# First bytes of files of R, plain and compressed by gzip, bzip2 and xz.
_OWN = (b"RDX", b"RDA", b"X\n", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")


def read_r(path: Path, r_object: str | None) -> tuple[np.ndarray, pd.Index, pd.Index]:
    """Return the counts [samples x genes] of a file of save() or saveRDS(), and the names of both.

    Parameters
    ----------
    r_object
        As for ``read_counts``. saveRDS() leaves out the name of its one object.

    Raises
    ------
    InputError
        If the file is damaged, or the object is missing or is no matrix with names of both.
    """
    objects = _objects(path, r_object)
    if r_object is None and len(objects) == 1:
        r_object = next(iter(objects))
    counts = objects
    for part in (r_object or "").split("$"):
        counts = counts.get(part) if isinstance(counts, dict) else None
    if getattr(counts, "ndim", 0) == 2 and hasattr(counts, "to_pandas"):
        counts = counts.to_pandas()  # A matrix of R comes as xarray.DataArray.
    if not isinstance(counts, pd.DataFrame) or not {"string", "empty"}.issuperset(
        axis.inferred_type for axis in counts.axes
    ):
        names = [
            f"{name}${part}" if part else name
            for name, content in objects.items()
            for part in (content if isinstance(content, dict) else [None])
        ]
        what = "one of several objects" if r_object is None else repr(r_object)
        raise InputError(
            f"{path}: {what} is no matrix or data frame of R with row and column names: name the "
            f"counts among {', '.join(names)} (r_object), or write them alone: "
            "saveRDS(as.matrix(counts), file)"
        )
    counts = counts.set_axis([str(name) for name in counts], axis=1)
    counts = as_numbers(without_annotation(counts, path), path)
    # Integers of a data frame come with a mask for NA.
    return counts.to_numpy(dtype=float, na_value=np.nan).T, counts.columns, counts.index


def _objects(path: Path, r_object: str | None) -> dict[str, object]:
    """Return the objects of a file of R by their names."""
    import rdata

    with path.open("rb") as stream:
        refuse_other(stream.read(512), path, *_OWN)
    # edgeR's class is a list.
    classes = rdata.conversion.DEFAULT_CLASS_MAP | {"DGEList": lambda content, attributes: content}
    try:
        with warnings.catch_warnings():
            # rdata warns if the name of the file is not that of its kind.
            warnings.filterwarnings("ignore", "Unknown file type|Wrong extension")
            objects = rdata.read_rda(path, constructor_dict=classes)
    # rdata raises many kinds of errors, depending on where the file is damaged.
    except Exception as error:
        raise InputError(
            f"{path}: not a readable .RData file ({error}): copy or download it again, or write "
            "the counts alone with save() in R"
        ) from error
    if isinstance(objects, dict):
        return objects
    logger.info("%s: one object without a name, as saveRDS() writes it", path)
    return {r_object or path.name.partition(".")[0]: objects}

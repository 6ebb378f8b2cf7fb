"""Where the processes of genes come from: R's annotation, or a file.

Only of the standard library, as Snakemake reads this too.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

R_PACKAGES = ("AnnotationDbi", "org.Hs.eg.db", "GO.db")
_FILES = ("GO/go_bp.gmt.gz", "GO/go_bp.gmt")
ADVICE = (
    "To test gene sets, install R (Debian or Ubuntu: sudo apt-get install r-base-core "
    "r-bioc-annotationdbi r-bioc-org.hs.eg.db r-bioc-go.db) or have it on the PATH or in R_HOME. "
    f"Or, without R, put a file of GO gene sets at resources/cache/{_FILES[0]}: docs/enrichment.md."
)
# libR is what Python loads.
_CHECK = """
packages <- commandArgs(trailingOnly = TRUE)
libr <- Sys.glob(file.path(R.home(), "lib", "libR.*"))
found <- nzchar(sapply(packages, function(name) system.file(package = name)))
quit(status = !(length(libr) && all(found)))
"""


def has_r() -> bool:
    """Return whether Python can reach an R, in R_HOME or on the PATH, that has the annotation."""
    home = os.environ.get("R_HOME")
    rscript = shutil.which("Rscript", path=f"{home}/bin" if home else None)
    if rscript is None or find_spec("rpy2") is None:
        return False
    command = [rscript, "-e", _CHECK, *R_PACKAGES]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def go_file(folders: Iterable[str | os.PathLike | None]) -> str | None:
    """Return the path of the first file of GO gene sets in these folders; None if none has one."""
    places = (Path(folder) / name for folder in folders if folder for name in _FILES)
    return next((str(path) for path in places if path.exists()), None)

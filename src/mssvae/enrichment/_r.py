"""The functions of enrichment.R, called from Python."""

from importlib.resources import files
from typing import Any

import pandas as pd

from mssvae.errors import InputError
from mssvae.pipeline.annotation import R_PACKAGES

TERM_COLUMNS = {
    "set": object,
    "ID": object,
    "Description": object,
    "GeneRatio": object,
    "BgRatio": object,
    "pvalue": float,
    "p.adjust": float,
    "qvalue": float,
    "geneID": object,
    "Count": int,
}


class MissingR(InputError):
    """R, what Python reaches it by, or one of its packages is missing."""


def load_functions() -> Any:
    """Start R and return the functions of ``enrichment.R`` as attributes of one object.

    Raises
    ------
    MissingR
        If rpy2, R or one of the annotation packages is missing.
    """
    try:
        from rpy2.robjects.packages import SignatureTranslatedAnonymousPackage
    except (ImportError, OSError, ValueError) as error:
        raise MissingR(
            f"enrichment needs R, and R does not start ({error}). Install R (apt: r-base-core; "
            "conda: r-base) and rpy2 (pip install 'mssvae[enrichment]'), and unset R_HOME or "
            "point it to the folder that `R RHOME` prints."
        ) from error
    code = files(__package__).joinpath("enrichment.R").read_text()
    functions = SignatureTranslatedAnonymousPackage(code, "enrichment")
    missing = [name for name in R_PACKAGES if not installed_version(functions, name)]
    if missing:
        raise MissingR(
            f"enrichment needs the R packages {', '.join(missing)}. Install them (apt: "
            "r-bioc-annotationdbi r-bioc-org.hs.eg.db r-bioc-go.db; conda: "
            "bioconductor-annotationdbi bioconductor-org.hs.eg.db bioconductor-go.db)."
        )
    return functions


def installed_version(functions: Any, package: str) -> str:
    """Return the version of an R package, ``""`` where it is not installed."""
    return functions.installed_version(package)[0]


def software(functions: Any, engine: str) -> dict[str, Any]:
    """Return the versions of R and of the packages that an engine tests with."""
    packages = R_PACKAGES
    if engine == "clusterprofiler":
        packages = ("clusterProfiler", "DOSE", *packages)
    return {
        "R": functions.r_version()[0],
        "packages": {package: installed_version(functions, package) for package in packages},
    }


def run(
    functions: Any,
    engine: str,
    queries: dict[str, list[str]],
    universe: list[str] | None,
    adjust: str,
    min_size: int,
    max_size: int,
) -> pd.DataFrame:
    """Test gene sets with an engine of ``enrichment.R``.

    Returns
    -------
    DataFrame
        The columns of `over_representation`, up to ``Count``.
    """
    test = (
        functions.clusterprofiler_engine if engine == "clusterprofiler" else functions.base_engine
    )
    table = test(gene_list(queries), gene_vector(universe), adjust, min_size, max_size)
    return to_pandas(table, TERM_COLUMNS)


def gene_vector(genes: list[str] | None) -> Any:
    """Convert genes to an R character vector, None to NULL."""
    from rpy2 import robjects

    return robjects.NULL if genes is None else robjects.StrVector(genes)


def gene_list(gene_sets: dict[str, list[str]]) -> Any:
    """Convert gene sets to a named R list of character vectors."""
    from rpy2 import robjects

    return robjects.ListVector({name: gene_vector(genes) for name, genes in gene_sets.items()})


def to_pandas(table: Any, columns: dict[str, type]) -> pd.DataFrame:
    """Convert an R data frame to pandas with these columns and types; NULL gives an empty table."""
    from rpy2 import robjects
    from rpy2.robjects import default_converter, pandas2ri
    from rpy2.robjects.conversion import localconverter

    if table is robjects.NULL:
        return pd.DataFrame(columns=list(columns)).astype(columns)
    with localconverter(default_converter + pandas2ri.converter) as converter:
        frame = converter.rpy2py(table)
    return frame.reset_index(drop=True)[list(columns)].astype(columns)

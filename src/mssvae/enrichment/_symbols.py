"""What genes are called."""

import pandas as pd

from mssvae.enrichment import _r
from mssvae.enrichment._checks import check_genes


def gene_names(genes: list[str]) -> pd.DataFrame:
    """Return the symbol and the full name of genes.

    Must be called from the main thread, as R is not thread-safe.

    Parameters
    ----------
    genes
        Ensembl ids of human genes, without version suffix.

    Returns
    -------
    DataFrame
        One row per gene, in the order given: ``gene, symbol, name``. Of an id that belongs to
        several NCBI genes, the one with the lowest number is taken; an id without any has its own
        id as symbol and no name.

    Raises
    ------
    InputError
        If genes are not a list of str, or R or its annotation packages are missing.
    """
    check_genes(genes, "genes")
    columns = {"gene": object, "symbol": object, "name": object}
    known = _r.to_pandas(_r.load_functions().gene_names(_r.gene_vector(genes)), columns)
    names = known.set_index("gene").reindex(pd.Index(genes, name="gene")).reset_index()
    names["symbol"] = names["symbol"].fillna(names["gene"])
    return names

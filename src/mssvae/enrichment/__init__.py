"""Over-representation of Gene Ontology biological processes in sets of Ensembl genes (section 5).

The tests run in R, through rpy2 and from the main thread only, or in Python on a table of gene
sets; nothing here starts R on import.
"""

from mssvae.enrichment._backgrounds import background, compare_backgrounds
from mssvae.enrichment._gene_ids import check_gene_ids
from mssvae.enrichment._gmt import read_gmt, write_gmt
from mssvae.enrichment._over_representation import go_gene_sets, over_representation
from mssvae.enrichment._processes import max_sets, summarise, top_processes
from mssvae.enrichment._r import MissingR
from mssvae.enrichment._symbols import gene_names

__all__ = [
    "MissingR",
    "background",
    "check_gene_ids",
    "compare_backgrounds",
    "gene_names",
    "go_gene_sets",
    "max_sets",
    "over_representation",
    "read_gmt",
    "summarise",
    "top_processes",
    "write_gmt",
]

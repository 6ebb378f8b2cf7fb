"""Over-representation of Gene Ontology biological processes in sets of Ensembl genes (section 5).

The tests run in R, through rpy2 and from the main thread only; nothing here starts R on import.
"""

from mssvae.enrichment._gene_ids import check_gene_ids
from mssvae.enrichment._over_representation import go_gene_sets, over_representation
from mssvae.enrichment._processes import max_sets, summarise, top_processes
from mssvae.enrichment._symbols import gene_names

__all__ = [
    "check_gene_ids",
    "gene_names",
    "go_gene_sets",
    "max_sets",
    "over_representation",
    "summarise",
    "top_processes",
]

"""Look up the symbols and names of the analysed genes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import logging

import pandas as pd

from mssvae.data.files import read_table, write_table
from mssvae.enrichment import MissingR, gene_names

genes = read_table(snakemake.input.genes)["gene"].tolist()
try:
    names = gene_names(genes)
except MissingR as error:
    logging.warning("%s Genes are called by their ids.", error)
    names = pd.DataFrame({"gene": genes, "symbol": genes, "name": None})
write_table(names, snakemake.output.names)

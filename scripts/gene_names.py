"""Look up the symbols and names of the analysed genes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.enrichment import gene_names
from mssvae.files import read_table, write_table

genes = read_table(snakemake.input.genes)["gene"].tolist()
write_table(gene_names(genes), snakemake.output.names)

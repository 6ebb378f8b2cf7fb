"""Write the GO biological processes of an allowed size, with their genes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.enrichment import go_gene_sets
from mssvae.files import write_table

table = go_gene_sets(snakemake.params.min_size, snakemake.params.max_size)
write_table(table, snakemake.output.table)

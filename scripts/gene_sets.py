"""Collect the gene set of each factor."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.data.files import read_table, write_json, write_table
from mssvae.factors import gene_sets

masks = read_table(snakemake.input.masks, index="gene")
factors = read_table(snakemake.input.factors)

sets = gene_sets(masks, snakemake.params.threshold)
factors.insert(4, "n_genes", [len(sets[factor]) for factor in factors["factor"]])
write_json(sets, snakemake.output.sets)
write_table(factors, snakemake.output.factors)

"""Collect the gene set of each factor."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.factors import gene_sets
from mssvae.files import write_json, write_table

masks = pd.read_csv(snakemake.input.masks, sep="\t", index_col="gene")
factors = pd.read_csv(snakemake.input.factors, sep="\t")

sets = gene_sets(masks, snakemake.params.threshold)
factors.insert(4, "n_genes", [len(sets[factor]) for factor in factors["factor"]])
write_json(sets, snakemake.output.sets)
write_table(factors, snakemake.output.factors)

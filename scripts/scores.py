"""Score one fit against the truth."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.files import write_table
from mssvae.replicates import Factorisation, scores

paths, wildcards = snakemake.input, snakemake.wildcards
truth = Factorisation.read(paths.true_masks, paths.true_factors, paths.true_latent)
estimate = Factorisation.read(paths.masks, paths.factors, paths.latent)

table = scores(truth, estimate, snakemake.params.max_column_share)
table.insert(0, "simulation", wildcards.simulation)
table.insert(1, "method", wildcards.method)
table.insert(2, "replicate", wildcards.replicate)
table.insert(3, "stage", "trained")
write_table(table, snakemake.output.scores)

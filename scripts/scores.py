"""Score one fit against the truth, as training left it and as Theorem 2 assigns it."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.files import write_table
from mssvae.replicates import Factorisation, scores

paths, wildcards = snakemake.input, snakemake.wildcards
truth = Factorisation.read(*paths.truth)
tables = []
for stage in ("trained", "assigned"):
    estimate = Factorisation.read(*paths[stage])
    table = scores(truth, estimate, snakemake.params.max_column_share)
    table.insert(0, "simulation", wildcards.simulation)
    table.insert(1, "method", wildcards.method)
    table.insert(2, "replicate", wildcards.replicate)
    table.insert(3, "stage", stage)
    tables.append(table)
write_table(pd.concat(tables), snakemake.output.scores)

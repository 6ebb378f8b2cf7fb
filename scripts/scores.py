"""Score one fit against the truth, as training left it and as Theorem 2 assigns it."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.data.files import write_table
from mssvae.replicates import Factorisation, scores

paths, wildcards = snakemake.input, snakemake.wildcards
truth = Factorisation.read(*paths.truth)
trained, assigned = (Factorisation.read(*paths[stage]) for stage in ("trained", "assigned"))
table = scores(truth, trained, snakemake.params.max_column_share)
tables = {"trained": table, "assigned": table}
if not assigned.equals(trained):
    tables["assigned"] = scores(truth, assigned, snakemake.params.max_column_share)
table = pd.concat(tables, names=["stage"]).reset_index("stage")
for position, key in enumerate(("simulation", "method", "replicate")):
    table.insert(position, key, wildcards[key])
write_table(table, snakemake.output.scores)

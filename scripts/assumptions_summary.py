"""Summarise the study of assumptions over its replicates."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.data.files import read_table, write_table
from studies import assumptions

scores = pd.concat([read_table(path) for path in snakemake.input.scores])
write_table(scores, snakemake.output.scores)
write_table(assumptions.summary(scores), snakemake.output.summary)

"""Summarise the scores of one or several simulations over their replicates."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.data.files import read_table, write_table
from mssvae.replicates import summarise

scores = pd.concat([read_table(path) for path in snakemake.input.scores])
write_table(summarise(scores), snakemake.output.summary)

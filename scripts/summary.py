"""Summarise the scores of one or several simulations over their replicates."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.files import atomic_path
from mssvae.replicates import summarise

scores = pd.concat([pd.read_csv(path) for path in snakemake.input.scores])
with atomic_path(snakemake.output.summary) as path:
    summarise(scores).to_csv(path, index=False)

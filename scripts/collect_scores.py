"""Put the scores of many fits into one table."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.files import atomic_path, read_table

scores = pd.concat([read_table(path) for path in snakemake.input.scores])
with atomic_path(snakemake.output.scores) as path:
    scores.to_csv(path, index=False)

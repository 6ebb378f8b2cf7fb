"""Put the scores of all cross-validations into one table, and summarise them."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.data.files import read_table, write_table
from studies import supervised

scores = pd.concat([read_table(path) for path in snakemake.input.scores])
write_table(scores, snakemake.output.scores)
write_table(supervised.summary(scores), snakemake.output.summary)

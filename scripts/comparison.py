"""Collect the measures of all methods on all data in one long table."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from mssvae.data.files import read_table, write_table

table = pd.concat(map(read_table, snakemake.input.tables), ignore_index=True)
order = ["data", "method", "version", "measure", "value", "replicate", "note"]
write_table(table[order], snakemake.output.table)

"""Fit a method of the talk's study to a replicate, and score it."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import torch

from mssvae.data.files import write_table
from studies import talk

params = snakemake.params
torch.set_num_threads(snakemake.threads)
replicate = int(snakemake.wildcards.replicate)
table = talk.scores(talk.Design(**params.design), params.settings, replicate)
write_table(table, snakemake.output.scores)

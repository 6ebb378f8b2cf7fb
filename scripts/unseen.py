"""Score fits to a cohort on samples that they have not seen, along the weight of the prior."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad
import torch

from mssvae import MSSVAE, evaluation
from mssvae.data.files import write_table

params = snakemake.params
torch.set_num_threads(snakemake.threads)
model = MSSVAE(ad.read_h5ad(snakemake.input.selected), study_key="group", **params.model)
table = evaluation.path(model, seed=params.seed, **params.evaluation)
write_table(table, snakemake.output.table)

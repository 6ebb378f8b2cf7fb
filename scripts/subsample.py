"""Fit the MSSVAE to a random share of a cohort's samples."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import anndata as ad
import torch

from mssvae import MSSVAE
from mssvae.data.files import write_table
from mssvae.evaluation import seed_of_run, subsample

params, run = snakemake.params, int(snakemake.wildcards.subsample)
torch.set_num_threads(snakemake.threads)
adata = subsample(ad.read_h5ad(snakemake.input.selected), run, params.share, params.seed)
model = MSSVAE(adata, study_key="group", seed=seed_of_run(params.seed, run), **params.model)
model.fit(checkpoint=params.checkpoint, **params.fit)
write_table(model.masks.wide().rename_axis("gene").reset_index(), snakemake.output.masks)
write_table(model.factor_table(), snakemake.output.factors)
# Last: a job that is killed before this goes on from there.
Path(params.checkpoint).unlink(missing_ok=True)

"""Fit the MSSVAE to a cohort or to simulated data."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

import anndata as ad
import torch

from mssvae import MSSVAE
from mssvae.data.files import write_json, write_table
from mssvae.provenance import commit

params, output = snakemake.params, snakemake.output
torch.set_num_threads(snakemake.threads)
code = commit()  # Before the fit: the files may change while it runs.

adata = ad.read_h5ad(snakemake.input.selected)
model = MSSVAE(adata, study_key="group", seed=params.seed, **params.model)
model.fit(checkpoint=params.checkpoint, **params.fit)

# Simulated data say what their rows are; cohorts have genes.
rows = adata.var_names.name or "gene"
write_table(model.masks.wide().rename_axis(rows).reset_index(), output.masks)
write_table(model.latent().wide().rename_axis("sample").reset_index(), output.latent)
write_table(model.factor_table(), output.factors)
write_table(model.history, output.history)
source = json.loads(Path(snakemake.input.source).read_text())
write_json({**model.manifest(), "source": source, "commit": code}, output.manifest)
model.save(output.model)
# Last: a job that is killed before this goes on from there.
Path(params.checkpoint).unlink(missing_ok=True)

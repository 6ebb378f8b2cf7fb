"""Simulate data with known factors."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import simulate
from mssvae.data.files import atomic_path, write_json

params, output = snakemake.params, snakemake.output

simulator = {"gaussian": simulate.gaussian, "rnaseq": simulate.rnaseq}[params.simulator]
adata = simulator(**params.data, seed=params.seed)
adata.var_names.name = "feature"
write_json({"kind": "simulation", **adata.uns["simulation"]}, output.source)
with atomic_path(output.data) as path:
    adata.write_h5ad(path, compression="gzip")

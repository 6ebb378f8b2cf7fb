"""Read the samples whose disease is predicted, with all their genes."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.data.files import atomic_path
from studies.supervised.data import samples

adata = samples(snakemake.input.counts)
with atomic_path(snakemake.output.samples) as path:
    adata.write_h5ad(path)

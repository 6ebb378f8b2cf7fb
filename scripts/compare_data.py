"""Read or simulate one data set of the comparison."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.data.files import atomic_path
from studies.comparison.data import READERS, SIMULATORS

params = snakemake.params
arguments = params.arguments | params.paths
if params.reader in SIMULATORS:
    arguments |= {"seed": params.seed}
adata = READERS[params.reader](**arguments)
with atomic_path(snakemake.output.data) as path:
    adata.write_h5ad(path, compression="gzip")

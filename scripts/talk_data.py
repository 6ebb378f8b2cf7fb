"""Read one of the talk's real data sets."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.data.files import atomic_path
from studies.talk.readers import read

adata = read({**snakemake.params.about, "path": snakemake.input.data})
with atomic_path(snakemake.output.data) as path:
    adata.write_h5ad(path, compression="gzip")

"""Write the true factors of simulated data as the tables that a fit has."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad

from mssvae.data.files import write_table
from mssvae.replicates import truth

output = snakemake.output
true = truth(ad.read_h5ad(snakemake.input.data))
write_table(true.masks.rename_axis("feature").reset_index(), output.masks)
write_table(true.factors, output.factors)
write_table(true.latent.rename_axis("sample").reset_index(), output.latent)

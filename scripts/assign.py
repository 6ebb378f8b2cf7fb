"""Put each factor where Theorem 2 has it, shared or of one study."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad

from mssvae import MSSVAE
from mssvae.data.files import write_table

output = snakemake.output
adata = ad.read_h5ad(snakemake.input.data)
masks, latent = MSSVAE.load(snakemake.input.model, adata, device="cpu").assigned()
write_table(masks.wide().rename_axis("feature").reset_index(), output.masks)
write_table(latent.wide().rename_axis("sample").reset_index(), output.latent)
write_table(masks.kinds(), output.factors)

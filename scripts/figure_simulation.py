"""Figures 2 and 3: scores of all replicates, and masks and factors of one."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import anndata as ad

from mssvae import figures
from mssvae.data.files import read_table
from mssvae.replicates import Factorisation

params, paths = snakemake.params, snakemake.input
figure = figures.simulation(
    read_table(paths.scores),
    Factorisation.read(*paths.truth),
    Factorisation.read(*paths.estimate),
    title=params.title,
    method=params.method,
    replicate=params.replicate,
    data=ad.read_h5ad(*paths.data) if paths.data else None,
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)

"""Figure 1: the model at a glance."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import figures

figures.save(figures.schematic(), snakemake.output.pdf, snakemake.output.png)

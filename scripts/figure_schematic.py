"""Figure 1: the model at a glance."""

from mssvae import figures
from mssvae.logs import log_to

log_to(snakemake.log[0])
figures.save(figures.schematic(), snakemake.output.pdf, snakemake.output.png)

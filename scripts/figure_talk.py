"""The talk's figure: error and disentanglement against the correlation of the factors."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import figures
from mssvae.data.files import read_table

figure = figures.talk(read_table(snakemake.input.summary))
figures.save(figure, snakemake.output.pdf, snakemake.output.png)

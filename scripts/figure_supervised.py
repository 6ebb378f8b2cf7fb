"""Draw how well disease is predicted from features of all methods, and with draws."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import figures
from mssvae.data.files import read_table

table = read_table(snakemake.input.scores)
figure = figures.supervised(table, snakemake.params.title, snakemake.params.small)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)

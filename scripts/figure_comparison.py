"""Figure: all methods on all data of the comparison."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import figures
from mssvae.data.files import read_table

params = snakemake.params
figure = figures.comparison(
    read_table(snakemake.input.table), data=params.data, methods=params.methods, ours=params.ours
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)

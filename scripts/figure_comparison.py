"""Figure: all methods on simulated or on real data of the comparison."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import figures
from mssvae.data.files import read_table

params = snakemake.params
table = read_table(snakemake.input.table)
table = table[table["data"].isin(list(params.data))]
figure = figures.comparison(table, data=params.data, methods=params.methods, ours=params.ours)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)

"""Figure 6: masks of the replicate with the lowest consensus."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import figures
from mssvae.data.files import read_table
from mssvae.replicates import Factorisation, worst_replicate

params, paths = snakemake.params, snakemake.input
scores = read_table(paths.scores)
replicate = worst_replicate(scores, params.method)
i = params.replicates.index(replicate)
figure = figures.worst(
    scores,
    Factorisation.read(paths.true_masks[i], paths.true_factors[i]),
    Factorisation.read(paths.masks[i], paths.factors[i]),
    title=params.title,
    method=params.method,
    replicate=replicate,
)
figures.save(figure, snakemake.output.pdf, snakemake.output.png)

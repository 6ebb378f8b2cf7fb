"""Compare the fits to random shares of the samples with that to all."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae.evaluation import stability
from mssvae.files import read_table, write_table
from mssvae.tables import FactorTables

paths, output = snakemake.input, snakemake.output
factors = read_table(paths.factors)
masks, *subsamples = (
    FactorTables.split(read_table(path, index="gene"), factors)
    for path in (paths.masks, *paths.subsamples)
)
result = stability(masks, subsamples, snakemake.params.threshold)
write_table(result.frequency.wide().rename_axis("gene").reset_index(), output.frequency)
write_table(result.factors, output.stability)
write_table(result.agreement.rename_axis("run").reset_index(), output.agreement)

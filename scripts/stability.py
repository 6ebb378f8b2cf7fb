"""Compare the fits to random shares of the samples with that to all."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae.data.files import read_table, write_table
from mssvae.evaluation import stability
from mssvae.results.tables import FactorTables

paths, output = snakemake.input, snakemake.output
studies = json.loads(Path(paths.manifest).read_text())["studies"]
masks, *of_subsamples = (
    FactorTables.split(read_table(masks, index="gene"), read_table(factors), studies)
    for masks, factors in zip(paths.masks, paths.factors, strict=True)
)
result = stability(masks, of_subsamples, snakemake.params.threshold)
write_table(result.frequency.wide().rename_axis("gene").reset_index(), output.frequency)
write_table(result.factors, output.stability)
write_table(result.agreement.rename_axis("run").reset_index(), output.agreement)

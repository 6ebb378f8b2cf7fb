"""Score what is recovered of a replicate of every world of the study of assumptions."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import pandas as pd
import torch

from mssvae.data.files import write_table
from studies import assumptions

torch.set_num_threads(snakemake.threads)
replicate = int(snakemake.wildcards.replicate)
tables = [
    assumptions.scores(world, replicate, snakemake.params.master_seed)
    for world in assumptions.WORLDS
]
write_table(pd.concat(tables), snakemake.output.scores)

"""Table 2: the settings of all fits side by side."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae.data.files import write_table
from mssvae.replicates import settings_table

fits = zip(snakemake.params.names, snakemake.input.manifests, strict=True)
manifests = {name: json.loads(Path(path).read_text()) for name, path in fits}
write_table(settings_table(manifests), snakemake.output.settings)

"""Show all tables of the run on a page, with their captions."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import pages
from mssvae.data.files import atomic_path, read_table
from mssvae.provenance import provenance_table

paths = snakemake.input
captions = {Path(path).stem: Path(path).read_text() for path in paths.captions}
results = Path(snakemake.output.page).parent

shown = []
for path in map(Path, [paths.settings, *paths.cohorts, *paths.simulations]):
    # The genes of processes are in the file, and in the explorer.
    frame = read_table(path).drop(columns="geneID", errors="ignore")
    shown.append(pages.Table(str(path.relative_to(results)), captions[path.stem], frame))
fits = zip(snakemake.params.names, paths.manifests, strict=True)
manifests = {name: json.loads(Path(path).read_text()) for name, path in fits}
shown.append(pages.Table("provenance", captions["provenance"], provenance_table(manifests)))
with atomic_path(snakemake.output.page) as path:
    path.write_text(pages.tables(snakemake.wildcards.run, shown), encoding="utf-8")

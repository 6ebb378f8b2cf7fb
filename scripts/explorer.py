"""Build the page to look through the factors of all cohorts."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

import json
from pathlib import Path

from mssvae import pages
from mssvae.data.files import atomic_path, read_table

params, paths = snakemake.params, snakemake.input
terms = dict(zip(params.enriched, paths.terms, strict=True))
names = dict(zip(params.enriched, paths.names, strict=True))
frequency = dict(zip(params.subsampled, paths.frequency, strict=True))
cohorts = {}
for i, name in enumerate(params.cohorts):
    cohorts[name] = pages.cohort(
        title=params.titles[i],
        masks=read_table(paths.masks[i], index="gene"),
        frequency=read_table(frequency[name], index="gene") if name in frequency else None,
        latent=read_table(paths.latent[i], index="sample"),
        factors=read_table(paths.factors[i]),
        terms=read_table(terms[name]) if name in terms else None,
        samples=read_table(paths.samples[i]),
        names=read_table(names[name]) if name in names else None,
        manifest=json.loads(Path(paths.manifest[i]).read_text()),
        threshold=params.thresholds[i],
        fdr=params.fdrs[i],
    )
with atomic_path(snakemake.output.page) as path:
    path.write_text(pages.explorer(snakemake.wildcards.run, cohorts), encoding="utf-8")

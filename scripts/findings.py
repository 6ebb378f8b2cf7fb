"""Say what the run found, for the front page of the report."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import pages
from mssvae.files import atomic_path, read_table

params, paths = snakemake.params, snakemake.input
lines = []
shares = dict(zip(params.enriched, paths.shares, strict=True))
unseen = dict(zip(params.evaluated, paths.unseen, strict=True))
for name, title, factors in zip(params.cohorts, params.titles, paths.factors, strict=True):
    tested = read_table(shares[name]) if name in shares else None
    lines.append(pages.cohort_findings(title, read_table(factors), tested))
    if name in unseen:
        lines.append(pages.unseen_findings(title, read_table(unseen[name])))
for path in paths.summary:
    summary = read_table(path)
    for name, title in params.simulations.items():
        rows = summary[summary["simulation"] == name]
        lines.append(pages.simulation_findings(title, rows))
with atomic_path(snakemake.output.findings) as path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

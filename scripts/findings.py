"""Say what the run found, for the front page of the report."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import pages
from mssvae.files import atomic_path, read_table

params, paths = snakemake.params, snakemake.input
lines = []
for title, factors, shares in zip(params.cohorts, paths.factors, paths.shares, strict=True):
    lines.append(pages.cohort_findings(title, read_table(factors), read_table(shares)))
for path in paths.summary:
    summary = read_table(path)
    for name, title in params.simulations.items():
        rows = summary[summary["simulation"] == name]
        lines.append(pages.simulation_findings(title, rows))
with atomic_path(snakemake.output.findings) as path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""Say what the run found, for the front page of the report."""

from mssvae.logs import log_to

log_to(snakemake.log[0])

from mssvae import pages
from mssvae.data.files import atomic_path, read_table

params, paths = snakemake.params, snakemake.input
lines = []
unseen = dict(zip(params.evaluated, paths.unseen, strict=True))
tests = (params.enriched, paths.shares, paths.backgrounds, params.background)
tested = {name: tables for name, *tables in zip(*tests, strict=True)}
for name, title, factors in zip(params.cohorts, params.titles, paths.factors, strict=True):
    line = pages.cohort_findings(
        title, read_table(factors), read_table(tested[name][0]) if name in tested else None
    )
    if name in tested:
        line += f" {pages.random_findings(read_table(tested[name][1]), tested[name][2])}"
    lines.append(line)
    if name in unseen:
        lines.append(pages.unseen_findings(title, read_table(unseen[name])))
for path in paths.summary:
    summary = read_table(path)
    for name, title in params.simulations.items():
        rows = summary[summary["simulation"] == name]
        lines.append(pages.simulation_findings(title, rows))
lines += [pages.talk_findings(read_table(path)) for path in paths.talk]
lines += [pages.assumption_findings(read_table(path)) for path in paths.assumptions]
with atomic_path(snakemake.output.findings) as path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

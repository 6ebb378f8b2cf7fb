"""List what a run made, in its folder, and what it could not make."""

import sys
from pathlib import Path

# The library of this checkout, whichever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from mssvae.pipeline.annotation import ADVICE

KINDS = {
    "Pages": ["*.html"],
    "Figures": [
        f"{part}figures/*.pdf" for part in ("", "comparison/", "talk/", "supervised/", "*/*/")
    ],
    "Tables": [
        *("tables/*", "comparison/tables/*", "cohorts/*/tables/*", "simulations/*/*.csv"),
        *("talk/*.tsv", "supervised/*.tsv"),
    ],
}

run = Path(sys.argv[1])
for kind, patterns in KINDS.items():
    print(f"\n{kind}:")
    for path in sorted(path for pattern in patterns for path in run.glob(pattern)):
        print(f"  {path}")

untested = [
    path.name
    for path in sorted(run.glob("cohorts/*"))
    if not (path / "enrichment/terms.tsv.gz").exists()
]
if untested:
    print(
        f"\nNot made, as the gene sets of {', '.join(untested)} were not tested:\n"
        "  figures: shared_processes, specific_processes, enrichment_backgrounds\n"
        "  tables: enrichment_summary, enriched_shares, shared_processes, specific_processes, "
        "enrichment_backgrounds, gene_names\n"
        f"{ADVICE} Then run this again."
    )

"""Print what config/planted.yaml has from a real cohort: from its counts and fit in a run."""

import argparse
import json
import sys
from pathlib import Path

# The study and the library of this checkout, whichever is installed.
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "src")]

import anndata as ad

from mssvae import MSSVAE
from studies import planted

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "cohort", type=Path, help="folder, such as results/replication/cohorts/platelet"
)
cohort = parser.parse_args().cohort
counts = ad.read_h5ad(cohort / "qc/filtered.h5ad")
selected = MSSVAE.load(cohort / "fit/model.npz", ad.read_h5ad(cohort / "data/selected.h5ad"))
random = planted.random_genes(counts, len(selected.var_names))
sizes = {key: selected.settings[key] for key in ("n_shared", "n_specific", "seed")}
random = MSSVAE(random, **sizes).fit(decoder="linear")
print(json.dumps(planted.numbers(counts, selected, random), indent=2))

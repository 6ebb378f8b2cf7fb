"""Configs and files of small runs, and Snakemake on this repository's workflow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

REPOSITORY = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
MODEL = {"n_shared": 3, "n_specific": 2, "hidden": [8, 8], "device": "cpu"}
FIT = {"decoder": "linear"}


def snakemake(*arguments, folder=REPOSITORY, **environment):
    """Run snakemake on this repository's workflow with ``folder`` as working directory."""
    return subprocess.run(
        [
            TOOLS / "snakemake",
            "--snakefile",
            REPOSITORY / "Snakefile",
            "--directory",
            folder,
            "--cores",
            "2",
            *arguments,
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
    )


def write_config(folder, cohort, **settings):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"run": "test", **settings, "cohorts": {"mine": cohort}}))
    return path


def tiny_simulations():
    """Two simulations: two methods on two replicates, and one method on one."""
    return {
        "master_seed": 7,
        "replicates": {"development": [1], "reported": [101, 102]},
        "settings": {
            "toy": {
                "title": "Toy",
                "simulator": "gaussian",
                "data": {"n_samples": 40, "n_features": 40, "n_shared": 3, "n_specific": [1, 1, 0]},
                "model": MODEL,
                "methods": {
                    "paper": {"preset": "paper", "max_epochs": 2},
                    "default": {"decoder": "nonlinear", "max_epochs": 2, "lr": 0.01},
                },
            },
            "toy_rna": {
                "title": "Toy counts",
                "simulator": "rnaseq",
                "data": {"n_samples": 20, "n_features": 40, "n_shared": 0},
                "n_reported": 1,
                "max_column_share": 0.25,
                "model": MODEL,
                "methods": {"paper": {"preset": "paper", "max_epochs": 2}},
            },
        },
    }


def write_simulations(folder, simulations):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"run": "test", "simulations": simulations}, sort_keys=False))
    return path


def write_own_files(folder, n_samples=30, n_genes=80):
    """A count matrix (genes x samples) and a sample sheet; names like numbers stay names."""
    rng = np.random.default_rng(0)
    samples = [f"s{i}" for i in range(n_samples)]
    genes = [f"ENSG{j:011d}" for j in range(n_genes)]
    counts = pd.DataFrame(rng.negative_binomial(5, 1e-3, (n_genes, n_samples)), genes, samples)
    counts.to_csv(folder / "counts.tsv.gz", sep="\t")
    sheet = pd.DataFrame({"sample": samples, "group": ["1", "2"] * (n_samples // 2)})
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    return {
        "title": "My cohort",
        "source": "files",
        "counts": "counts.tsv.gz",
        "samples": "samples.tsv",
        "n_genes": 50,
        "model": MODEL,
        "fit": FIT,
        "evaluation": {"weights": [1], "peers": [2]},
    }


def tables_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.tsv*"))
        if "benchmarks" not in path.parts
    }

"""The model that docs/extending.md adds, run as it is written."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from workflows import snakemake, tiny_simulations, write_simulations

from studies.comparison.data import simulated_rna
from studies.comparison.interface import Problem

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docs/extending.md").read_text()


def test_another_model_is_scored_beside_the_mssvae(tmp_path):
    simulations = tiny_simulations()
    del simulations["settings"]["toy_rna"], simulations["settings"]["toy"]["methods"]["paper"]
    simulations["settings"]["toy"] |= {"n_reported": 1, "other_methods": ["pca"]}
    config = write_simulations(tmp_path, simulations)
    _, rule, script = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    snakefile = tmp_path / "pca.smk"
    snakefile.write_text(rule.replace('"Snakefile"', f'"{REPOSITORY / "Snakefile"}"'))
    (tmp_path / "pca.py").write_text(script)
    # The last one given counts.
    targets = [
        f"results/test/simulations/toy/{name}" for name in ("scores.csv", "figures/simulation.pdf")
    ]
    answer = snakemake(*targets, "--snakefile", snakefile, "--configfile", config, folder=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    scores = pd.read_csv(tmp_path / targets[0])
    assert set(scores["method"]) == {"pca", "default"}
    assert set(scores.loc[scores["method"] == "pca", "stage"]) == {"trained", "assigned"}
    assert (tmp_path / targets[1]).exists()


def test_a_method_of_the_comparison_fits_and_predicts():
    code, *_ = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    module = ModuleType("pca")
    exec(code, vars(module))
    adata = simulated_rna(1, n_samples=30, n_features=70)
    problem = Problem("negative_binomial", n_factors=4, n_shared=4, n_specific=1)
    found = module.fit(adata, problem, whiten="no")
    assert found.loadings.shape == (70, 4)
    expected = found.predict(adata[:5], observed=adata.var_names[:40].tolist())
    assert expected.shape == (5, 70)
    assert np.isfinite(expected.to_numpy()).all()

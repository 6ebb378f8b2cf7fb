"""The model that docs/extending.md adds, run as it is written."""

import re
from pathlib import Path

import pandas as pd
from workflows import snakemake, tiny_simulations, write_simulations

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docs/extending.md").read_text()


def test_another_model_is_scored_beside_the_mssvae(tmp_path):
    simulations = tiny_simulations()
    del simulations["settings"]["toy_rna"], simulations["settings"]["toy"]["methods"]["paper"]
    simulations["settings"]["toy"] |= {"n_reported": 1, "other_methods": ["pca"]}
    config = write_simulations(tmp_path, simulations)
    rule, script = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
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

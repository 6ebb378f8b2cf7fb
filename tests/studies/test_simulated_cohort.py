"""A simulated cohort: from planted processes to scores, beside other models."""

import json

import pandas as pd
import yaml
from workflows import MODEL, REPOSITORY, snakemake, write_simulations

from mssvae import enrichment, simulate

SETTING = {
    "title": "Planted",
    "simulator": "cohort",
    "data": {
        "groups": {"a": 40, "b": 30},
        "n_genes": 600,
        "n_shared": 2,
        "n_specific": 1,
        "nonlinear_every": None,
        "library_log_mean": {"a": 13.5, "b": 14},
        "theta_log_intercept": 2.0,
    },
    "n_genes": 200,
    "model": MODEL,
    "methods": {"default": {}},
    "other_methods": ["factor_analysis"],
}


def test_a_planted_cohort_is_scored_beside_other_models(tmp_path):
    (tmp_path / "GO").mkdir()
    enrichment.write_gmt(simulate.made_up_processes(20), tmp_path / "GO/go_bp.gmt.gz")
    replicates = {"reported": [5]}
    config = write_simulations(
        tmp_path, {"replicates": replicates, "settings": {"planted": SETTING}}
    )
    folder = "results/test/simulations/planted"
    targets = [f"{folder}/summary.csv", f"{folder}/figures/simulation.pdf"]
    answer = snakemake(*targets, "--configfile", config, folder=tmp_path, MSSVAE_DATA=str(tmp_path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    summary = pd.read_csv(tmp_path / targets[0])
    assert set(summary["method"]) == {"default", "factor_analysis"}
    recovery = summary[(summary["metric"] == "recovery") & (summary["stage"] == "assigned")]
    # The factor analysis is told how many factors there are; by chance a set has 0.1 or less.
    of_peer = recovery[recovery["method"] == "factor_analysis"].set_index("part")["median"]
    assert of_peer["shared"] > 0.25
    source = json.loads((tmp_path / folder / "5/source.json").read_text())
    assert (source["kind"], source["simulator"]) == ("simulation", "cohort")
    assert source["made_up"] is False
    assert source["data"]["groups"] == SETTING["data"]["groups"]
    masks = pd.read_csv(tmp_path / folder / "5/factor_analysis/masks.tsv.gz", sep="\t")
    assert len(masks) == 200
    assert (tmp_path / targets[1]).exists()


def test_the_config_has_cohorts_of_284_and_1463_samples():
    """Groups of GSE68086, of which quality control keeps 284, and those of the paper's Table 1."""
    settings = yaml.safe_load((REPOSITORY / "config/planted.yaml").read_text())["simulations"]
    sizes = [sum(one["data"]["groups"].values()) for one in settings["settings"].values()]
    assert sizes == [285, 1463]

"""Disease from factors in the workflow, with few genes and factors."""

import re

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from workflows import REPOSITORY, snakemake

CONFIG = REPOSITORY / "config/supervised.yaml"
FOLDER = "results/supervised/supervised"


def test_the_shipped_config_plans_every_cross_validation(data_folder):
    answer = snakemake("-n", "--forceall", "--configfile", CONFIG, MSSVAE_DATA=str(data_folder))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", answer.stdout, re.MULTILINE))
    reported = yaml.safe_load(CONFIG.read_text())["supervised"]["replicates"]["reported"]
    # Features and draws of each, and the control of one.
    assert int(jobs["supervised_scores"]) == 2 * len(reported) + 1
    assert jobs["supervised_summary"] == jobs["figure_supervised"] == "1"


def test_without_the_counts_the_log_says_that_it_is_left_out(tmp_path):
    answer = snakemake("-n", "--forceall", "--configfile", CONFIG, MSSVAE_DATA=str(tmp_path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    told = answer.stdout + answer.stderr
    assert f"Disease is not predicted from factors: there is no {tmp_path}/GSE68086" in told
    assert "supervised_scores" not in answer.stdout


def test_scores_of_a_part_are_made_and_then_tables_and_figure(tmp_path):
    """Samples and the other parts are there, and newer than what they are made from."""
    content = yaml.safe_load(CONFIG.read_text())
    supervised = content["supervised"]
    counts = tmp_path / "GSE68086"
    counts.mkdir()
    supervised["counts"] = str(counts)
    supervised["replicates"] = {"reported": [1]}
    supervised["design"] |= {"n_genes": 30, "n_factors": 2, "n_specific": 1, "folds": 2, "kept": 5}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    rng = np.random.default_rng(0)
    groups = pd.DataFrame({"group": ["a", "Glioblastoma"] * 20}, [f"s{i}" for i in range(40)])
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    values = rng.negative_binomial(5, 0.1, (40, 45)).astype("float32")
    ad.AnnData(values, groups).write_h5ad(folder / "samples.h5ad")
    numbers = ["balanced_accuracy", "auc", "small_recall", "small_auc", "columns", "seconds"]
    for part in ("features", "permuted"):
        path = folder / f"scores/{part}/1.tsv"
        path.parent.mkdir(parents=True)
        rows = [(part, "genes", 1, fold, *rng.random(6)) for fold in (1, 2)]
        columns = ["part", "method", "replicate", "fold", *numbers]
        pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    figure = f"{FOLDER}/figures/supervised.pdf"
    answer = snakemake(
        *(figure, "--configfile", config, "--rerun-triggers", "mtime"), folder=tmp_path
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (tmp_path / figure).exists()
    scores, summary = (
        pd.read_csv(folder / f"{name}.tsv", sep="\t") for name in ("scores", "summary")
    )
    assert scores["part"].drop_duplicates().tolist() == ["features", "augmentation", "permuted"]
    assert (scores["part"] == "augmentation").sum() == 2 * 4
    assert (summary["splits"] == 2).all()

"""The studies of the method in the workflow: every method on tiny data, then the same again."""

import re

import pandas as pd
import yaml
from workflows import REPOSITORY, snakemake


def test_the_shipped_config_plans_both_studies():
    answer = snakemake("-n", "--forceall", "--configfile", "config/talk.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    content = yaml.safe_load((REPOSITORY / "config/talk.yaml").read_text())
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", answer.stdout, re.MULTILINE))
    n_replicates = len(content["talk"]["replicates"]["reported"])
    assert int(jobs["talk_scores"]) == n_replicates * len(content["talk"]["methods"])
    assert int(jobs["assumptions_scores"]) == len(content["assumptions"]["replicates"]["reported"])
    assert jobs["figure_talk"] == jobs["talk_summary"] == jobs["assumptions_summary"] == "1"
    assert "tables_page" not in jobs  # Nothing was fitted that it shows.


def test_a_run_of_the_talk_makes_table_figure_and_report(tmp_path):
    """With two methods of the shipped config."""
    content = yaml.safe_load((REPOSITORY / "config/talk.yaml").read_text())
    del content["assumptions"]
    talk = content["talk"]
    talk["methods"] = {name: talk["methods"][name] for name in ("default", "oi_vae")}
    talk["replicates"] = {"reported": [1]}
    talk["design"] = {
        **{"correlations": [0, 0.5], "n_samples": 40, "n_factors": 2},
        **{"hidden": [4, 4], "epochs": 2, "batch_size": 20},
    }
    for method in talk["methods"].values():
        method.get("fit", {}).pop("max_epochs", None)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    answer = snakemake("--configfile", config, folder=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    folder = tmp_path / "results/talk/talk"
    scores, summary = (
        pd.read_csv(folder / f"{name}.tsv", sep="\t") for name in ("scores", "summary")
    )
    titles = [method["title"] for method in talk["methods"].values()]
    assert len(scores) == len(titles) * 2
    assert summary["method"].drop_duplicates().tolist() == titles
    assert (summary["replicates"] == 1).all()
    assert (folder / "figures/talk.pdf").exists()
    again = snakemake("--configfile", config, folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr
    answer = snakemake("--configfile", config, "--report", "report.html", folder=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr

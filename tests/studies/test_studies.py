"""The studies of the method in the workflow: every method on tiny data, then the same again."""

import re

import pandas as pd
import yaml
from workflows import REPOSITORY, snakemake


def test_the_shipped_config_plans_all_studies_but_of_data_that_are_absent(tmp_path):
    """Which are named with what to do."""
    (tmp_path / "PeerRead").mkdir()
    arguments = ("-n", "--forceall", "--configfile", "config/talk.yaml")
    answer = snakemake(*arguments, MSSVAE_DATA=str(tmp_path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    content = yaml.safe_load((REPOSITORY / "config/talk.yaml").read_text())
    for name in ("movielens", "zeisel"):
        address = content["talk"]["data"][name]["address"]
        assert re.search(
            f"goes without the data {name}: there is no {tmp_path}/{name}/"
            rf"\S+\. Get it from {re.escape(address)} and put it there",
            answer.stdout + answer.stderr,
        )
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", answer.stdout, re.MULTILINE))
    n_replicates = len(content["talk"]["replicates"]["reported"])
    assert int(jobs["talk_scores"]) == n_replicates * len(content["talk"]["methods"])
    assert int(jobs["talk_unseen"]) == 5 * len(content["talk"]["methods"])
    assert jobs["talk_data"] == jobs["talk_unseen_summary"] == "1"
    assert int(jobs["assumptions_scores"]) == len(content["assumptions"]["replicates"]["reported"])
    assert jobs["figure_talk"] == jobs["talk_summary"] == jobs["assumptions_summary"] == "1"
    assert "tables_page" not in jobs  # Nothing was fitted that it shows.


def test_a_run_of_the_talk_makes_table_figure_and_report(tmp_path):
    """With two methods of the shipped config."""
    content = yaml.safe_load((REPOSITORY / "config/talk.yaml").read_text())
    del content["assumptions"]
    talk = content["talk"]
    talk["methods"] = {name: talk["methods"][name] for name in ("default", "oi_vae")}
    talk["data"] = {}
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

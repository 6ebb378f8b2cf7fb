"""The comparison with other models, as its users run it."""

import re

import pandas as pd
import pytest
import yaml
from workflows import snakemake

DATA = {
    "title": "Toy",
    "reader": "simulated_gaussian",
    "arguments": {"n_samples": 40, "n_features": 40, "n_studies": 2, "n_shared": 2},
    "likelihood": "gaussian",
    "n_factors": 6,
    "model": {"n_shared": 4, "n_specific": 2, "hidden": [8, 8]},
    "replicates": [7],
}
METHODS = {
    "fa": {"title": "factor analysis", "file": "factor_analysis"},
    "mofa": {"title": "MOFA+", "file": "mofa", "environment": "peers"},
}


def write(folder, methods=METHODS, **data):
    path = folder / "config.yaml"
    comparison = {"methods": methods, "data": {"toy": DATA | data}}
    path.write_text(yaml.safe_dump({"run": "test", "comparison": comparison}))
    return path


def jobs(answer):
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return dict(re.findall(r"^(\w+) +(\d+)$", answer.stdout, re.MULTILINE))


def test_all_data_that_are_there_are_planned(tmp_path, data_folder):
    config = ("--configfile", "config/compare.yaml")
    planned = jobs(snakemake("-n", "--forceall", "compare", *config, MSSVAE_DATA=str(data_folder)))
    assert planned["figure_comparison"] == "2"
    answer = snakemake("-n", "--forceall", "compare", *config, MSSVAE_DATA=str(tmp_path))
    assert int(jobs(answer)["compare_fits"]) < int(planned["compare_fits"])
    told = answer.stdout + answer.stderr
    for name in ("starmap", "kang", "platelets", "two_platelets", "ovarian", "gfrn"):
        assert f"The comparison goes without the data {name}: there is no {tmp_path}" in told


def test_gene_sets_go_to_methods_that_are_given_such(tmp_path):
    (tmp_path / "GO").mkdir()
    (tmp_path / "GO/go_bp.gmt").touch()
    given = METHODS["fa"] | {"gene_sets": True}
    config = write(tmp_path, {"fa": METHODS["fa"], "given": given}, processes="go")
    answer = snakemake("-n", "--configfile", config, folder=tmp_path, MSSVAE_DATA=str(tmp_path))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    inputs = dict(re.findall(r"Fitting (\w+) to .*\nReason: (.*)", answer.stdout))
    assert "go_bp.gmt.gz" in inputs["given"]
    assert "go_bp.gmt.gz" not in inputs["fa"]


def test_a_small_one_is_in_the_small_version():
    assert "figure_comparison" in jobs(snakemake("-n", "--configfile", "config/quick.yaml"))


def test_a_run_of_nothing_else_leaves_one_table_and_one_figure(tmp_path):
    config = write(tmp_path, fits=["all", "seen"])
    # Without the packages of others.
    answer = snakemake("--configfile", config, folder=tmp_path, MSSVAE_PEERS="")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    folder = tmp_path / "results/test/comparison"
    table = pd.read_csv(folder / "tables/comparison.tsv", sep="\t")
    columns = ["data", "method", "version", "measure", "value", "replicate", "note"]
    assert table.columns.tolist() == columns
    values = table.set_index(["method", "measure"])
    assert values.loc[("fa", "fitted"), "value"] == 1
    assert values.loc[("fa", "best_consensus"), "value"] > 0
    assert values.loc[("fa", "unseen"), "value"] < 0
    assert values.loc[("mofa", "fitted"), "value"] == 0
    assert values.loc[("mofa", "fitted"), "note"].startswith("absent: run `make peers`")
    assert (folder / "figures/simulated_comparison.pdf").exists()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"without": ["fae"]}, "the comparison has no method 'fae': did you mean 'fa'"),
        ({"settings": {"vae": {}}}, "the comparison has no method 'vae'"),
        ({"fits": ["seed"]}, "must have 'all', which is measured"),
        ({"reader": "nothing"}, "'nothing' is none of the choices"),
    ],
)
def test_mistakes_are_told_with_file_and_line(data, told, tmp_path):
    answer = snakemake("-n", "--configfile", write(tmp_path, **data), folder=tmp_path)
    assert answer.returncode != 0
    assert re.search(r"config.yaml, line \d+: comparison: data: toy", answer.stdout + answer.stderr)
    assert told in answer.stdout + answer.stderr

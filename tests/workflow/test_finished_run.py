"""What a finished run leaves: a cohort of one's own, two simulations, and the report of both.

All of it is read from one run, as plain functions, so that one process of the tests makes it.
"""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from workflows import (
    REPOSITORY,
    snakemake,
    tables_of,
    tiny_simulations,
    write_config,
    write_own_files,
    write_simulations,
)

from mssvae.data.files import read_table
from mssvae.replicates import seeds

COHORT = "results/test/cohorts/mine"
TOY, TOY_RNA = (f"results/test/simulations/{name}" for name in ("toy", "toy_rna"))
FIGURES = ("qc", "convergence", "masks", "unseen", "enrichment_backgrounds")
FIGURES += ("shared_processes", "specific_processes")
IN_THE_REPORT = {
    "results/test/figures/schematic.png",
    "results/test/tables/settings.tsv",
    "results/test/tables/simulations.csv",
    "results/test/tables.html",
    *(
        f"{simulation}/{table}.csv"
        for simulation in (TOY, TOY_RNA)
        for table in ("scores", "summary")
    ),
    *(f"{simulation}/figures/simulation.png" for simulation in (TOY, TOY_RNA)),
    *(f"{simulation}/figures/worst.png" for simulation in (TOY, TOY_RNA)),
    f"{COHORT}/fit/manifest.json",
    f"{COHORT}/tables/genes.tsv.gz",
    f"{COHORT}/enrichment/terms.tsv.gz",
    *(f"{COHORT}/figures/{figure}.png" for figure in FIGURES),
    *(
        f"{COHORT}/tables/{table}.tsv"
        for table in (
            *("composition", "qc_steps", "factors", "unseen", "stability"),
            *("enriched_shares", "enrichment_summary", "enrichment_backgrounds"),
            *("shared_processes", "specific_processes"),
        )
    ),
}


def simulations():
    """The tiny ones, each with one method."""
    simulations = tiny_simulations()
    del simulations["settings"]["toy"]["methods"]["paper"]
    return simulations


@pytest.fixture(scope="module")
def run(r, tmp_path_factory):
    """The folder of a finished run, and its config."""
    folder = tmp_path_factory.mktemp("run")
    cohort = write_own_files(folder) | {"stability": {"n_runs": 2}}
    content = {"run": "test", "cohorts": {"mine": cohort}, "simulations": simulations()}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    answer = snakemake("--configfile", config, folder=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, config


@pytest.fixture(scope="module")
def folder(run):
    return run[0]


@pytest.fixture(scope="module")
def report(run):
    folder, config = run
    path = "results/test/report.html"
    answer = snakemake("--configfile", config, "--report", path, folder=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return (folder / path).read_text()


def embedded(report, name):
    """Return what the report holds under a name."""
    script = re.search(rf'<script id="{name}">\s*var \w+ = (.*?);\s*</script>', report, re.DOTALL)
    return json.loads(script.group(1))


# The cohort.


def test_every_figure_is_there_as_pdf_and_png(folder):
    figures = folder / COHORT / "figures"
    assert {path.stem for path in figures.glob("*.pdf")} == set(FIGURES)
    assert {path.stem for path in figures.glob("*.png")} == set(FIGURES)
    assert (folder / "results/test/figures/schematic.pdf").exists()


def test_gene_sets_against_the_background_of_the_figures_are_those_of_their_tests(folder):
    tables = folder / COHORT / "tables"
    counted = pd.read_csv(tables / "enrichment_backgrounds.tsv", sep="\t")
    counted = counted[(counted["background"] == "expressed") & (counted["method"] == "MSSVAE")]
    shares = pd.read_csv(tables / "enriched_shares.tsv", sep="\t")
    shares = shares[shares["study"] == "all"]
    assert counted["n_sets"].tolist() == shares["n_gene_sets"].tolist()
    assert counted["n_enriched"].tolist() == shares["n_enriched"].tolist()


def test_manifest_says_how_the_fit_was_made(folder):
    manifest = json.loads((folder / COHORT / "fit/manifest.json").read_text())
    assert manifest["settings"]["seed"] == 1
    assert manifest["fit"]["max_epochs"] == 5
    assert manifest["source"]["kind"] == "files"
    assert manifest["device"] == "cpu"
    assert "torch" in manifest["packages"]
    assert "commit" in manifest


def test_masks_have_the_selected_genes_and_all_factors(folder):
    masks = pd.read_csv(folder / COHORT / "fit/masks.tsv.gz", sep="\t")
    assert masks.shape == (50, 1 + 3 + 2 * 2)
    assert list(masks)[:2] == ["gene", "shared_01"]


def test_frequencies_have_the_layout_of_the_masks(folder):
    fit = folder / COHORT / "fit"
    masks, frequency = (
        pd.read_csv(fit / f"{name}.tsv.gz", sep="\t", index_col="gene")
        for name in ("masks", "frequency")
    )
    assert frequency.index.equals(masks.index)
    assert frequency.columns.equals(masks.columns)
    assert np.isin(frequency, [0, 0.5, 1]).all()
    table = pd.read_csv(fit.parent / "tables/stability.tsv", sep="\t")
    assert table["factor"].tolist() == list(masks)
    entries = (masks != 0).to_numpy()
    mean = frequency.where(entries).mean()
    np.testing.assert_allclose(table["mean_frequency"], mean)
    agreement = pd.read_csv(fit / "agreement.tsv", sep="\t", index_col="run")
    assert agreement.index.tolist() == ["all", "1", "2"]


def test_a_second_run_has_nothing_to_do(run):
    """Also with the compiled files that the first run may have left beside the library's."""
    folder, config = run
    for package in ("cohorts", "enrichment", "figures"):
        (REPOSITORY / "src/mssvae" / package / "__pycache__").mkdir(exist_ok=True)
    answer = snakemake("--configfile", config, folder=folder)
    assert answer.returncode == 0
    assert "Nothing to be done" in answer.stdout + answer.stderr


def test_a_lost_figure_is_drawn_again_without_another_fit(run):
    folder, config = run
    figure = "results/test/cohorts/mine/figures/masks.pdf"
    before = (folder / figure).read_bytes()
    (folder / figure).unlink()
    answer = snakemake(figure, "--configfile", config, folder=folder)
    assert "fit_cohort" not in answer.stdout + answer.stderr
    assert (folder / figure).read_bytes() == before


def test_another_seed_is_another_fit_to_the_same_counts(folder, tmp_path):
    config = write_config(tmp_path, write_own_files(tmp_path), seed=2)
    answer = snakemake("-n", "--configfile", config, folder=folder)
    output = answer.stdout + answer.stderr
    assert answer.returncode == 0, output
    assert "Fitting the MSSVAE to cohort mine" in output
    assert "Bringing the counts" not in output
    assert "Quality control of cohort" not in output


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    for name in ("counts.tsv.gz", "samples.tsv", "config.yaml"):
        shutil.copy(folder / name, tmp_path)
    fit = f"{COHORT}/fit/masks.tsv.gz"
    answer = snakemake(fit, "--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    again, first = tables_of(tmp_path), tables_of(folder)
    assert fit in again
    assert again == {name: first[name] for name in again}


# The simulations.


def test_figures_of_simulations_are_there_as_pdf_and_png(folder):
    for simulation in (TOY, TOY_RNA):
        assert {path.name for path in (folder / simulation / "figures").iterdir()} == {
            "simulation.pdf",
            "simulation.png",
            "worst.pdf",
            "worst.png",
        }


def test_scores_are_of_the_reported_replicates(folder):
    scores = pd.read_csv(folder / TOY / "scores.csv")
    assert scores.columns.tolist() == [
        *("simulation", "method", "replicate", "stage", "part", "metric", "value")
    ]
    assert scores["method"].unique().tolist() == ["default"]
    assert scores["replicate"].unique().tolist() == [101, 102]
    assert scores["stage"].unique().tolist() == ["trained", "assigned"]
    assert {"consensus", "disentanglement", "n_factors"} <= set(scores["metric"])
    assert scores["value"].notna().all()


def test_one_table_has_the_summaries_of_all(folder):
    table = pd.read_csv(folder / "results/test/tables/simulations.csv")
    for simulation, n in (("toy", 2), ("toy_rna", 1)):
        path = folder / "results/test/simulations" / simulation / "summary.csv"
        own = table[table["simulation"] == simulation].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, pd.read_csv(path))
        assert (own["n"] == n).all()


def test_settings_have_a_column_for_every_method(folder):
    settings = pd.read_csv(folder / "results/test/tables/settings.tsv", sep="\t", index_col=0)
    assert settings.columns.tolist() == ["toy/default", "toy_rna/paper", "mine"]
    settings = settings.drop(columns="mine")
    rates = settings.loc["Learning Rate (not W)"].astype(float)
    assert rates.tolist() == [0.01, 0.001]
    likelihoods = settings.loc["likelihood"]
    assert likelihoods.tolist() == ["gaussian", "negative_binomial"]


def test_seeds_follow_from_the_replicate_and_are_written_down(folder):
    for replicate in (101, 102):
        path = folder / TOY / str(replicate)
        wanted = seeds(7, "toy", replicate)
        source = json.loads((path / "source.json").read_text())
        assert (source["kind"], source["simulator"]) == ("simulation", "gaussian")
        assert source["seed"] == wanted["data"]
        manifest = json.loads((path / "default/manifest.json").read_text())
        assert manifest["settings"]["seed"] == wanted["fit"]
        assert manifest["source"] == source


def test_truth_and_fit_have_the_same_tables(folder):
    replicate = folder / TOY / "101"
    for table, index in (("masks.tsv.gz", "feature"), ("latent.tsv.gz", "sample")):
        true, fitted = (
            pd.read_csv(replicate / part / table, sep="\t", index_col=index)
            for part in ("truth", "default")
        )
        assert true.index.equals(fitted.index)
    assert list(true) == ["shared_01", "shared_02", "shared_03", "study_1_01", "study_2_01"]


def test_another_method_leaves_the_fits_there_are(folder, tmp_path):
    changed = simulations()
    changed["settings"]["toy"]["methods"]["other"] = {"max_epochs": 1}
    config = write_simulations(tmp_path, changed)
    target = f"{TOY}/summary.csv"
    answer = snakemake("-n", target, "--configfile", config, folder=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    output = answer.stdout + answer.stderr
    assert "Fitting method other" in output
    assert "Fitting method default" not in output


def test_development_replicates_run_when_asked_for(run):
    folder, config = run
    target = f"{TOY}/1/default/scores.tsv"
    answer = snakemake("-n", target, "--configfile", config, folder=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    target = f"{TOY}/2/default/scores.tsv"
    answer = snakemake("-n", target, "--configfile", config, folder=folder)
    assert answer.returncode != 0


# The report and the pages.


def test_everything_people_want_is_in_the_report(report):
    assert embedded(report, "results").keys() == IN_THE_REPORT


def test_everything_has_a_caption_in_words_and_a_label(report):
    for path, result in embedded(report, "results").items():
        words = re.sub(r"<[^>]+>", "", result["caption"]).split()
        assert len(words) >= 8, path
        assert list(result["labels"]) in (["figure"], ["table"], ["page"]), path


def test_captions_follow_the_kind_of_factor(report):
    results = embedded(report, "results")
    for kind, figure in (("shared", "Figure 4"), ("specific", "Figure 5")):
        result = results[f"{COHORT}/figures/{kind}_processes.png"]
        assert figure in result["caption"]
        assert kind in result["labels"]["figure"]


def test_results_are_sorted_by_what_they_belong_to(report):
    categories = embedded(report, "categories")
    assert categories.keys() == {
        "All tables, settings and provenance",
        "All simulations",
        "Model",
        "Cohort mine",
        "Simulation toy",
        "Simulation toy_rna",
    }
    assert categories["Cohort mine"].keys() == {"Figures", "Tables"}
    assert categories["Simulation toy"].keys() == {"Figures", "Tables"}


def test_runtimes_are_of_the_rules_that_ran(report):
    assert {"fit_cohort", "enrichment", "explorer"} <= set(
        re.findall(r"[a-z_]+", str(embedded(report, "runtimes")))
    )


def test_the_report_loads_nothing(report):
    loads = []

    class Loads(HTMLParser):
        def handle_starttag(self, tag, attrs):
            attrs = dict(attrs)
            loads.extend(attrs[key] for key in ("src", "href") if key in attrs and tag != "a")

    Loads().feed(report)
    assert [load for load in loads if not load.startswith("data:")] == []


def test_the_front_page_names_the_run_and_leads_to_the_explorer(folder, report):
    front = embedded(report, "workflow-desc")
    assert "<strong>test</strong>" in front
    assert 'href="explorer.html"' in front
    assert (folder / "results/test/explorer.html").exists()


def test_the_page_of_tables_has_captions_and_ends_in_the_provenance(folder):
    page = (folder / "results/test/tables.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[0] == "tables/settings.tsv"
    assert "cohorts/mine/tables/composition.tsv" in titles
    assert titles[-1] == "provenance"
    end = page[page.index("<h2>provenance</h2>") :]
    for word in ("files", "simulation", "commit", "torch", "toy/default", "mine"):
        assert word in end
    assert len(re.findall(r"<p>\S+ \S+", page)) == len(titles)


def test_simulations_of_ones_own_are_no_figures_of_the_paper(report):
    results = embedded(report, "results")
    for figure in ("simulation", "worst"):
        assert "of the paper" not in results[f"{TOY}/figures/{figure}.png"]["caption"]


def test_the_front_page_says_what_the_run_found(folder, report):
    front = embedded(report, "workflow-desc")
    factors = read_table(folder / COHORT / "tables/factors.tsv")
    n = (factors.loc[factors["kind"] == "shared", "n_nonzero"] > 0).sum()
    assert f"<strong>My cohort</strong>: genes have {n} of 3 shared factors" in front
    assert "<strong>Toy</strong>, method default, 2 data sets: median" in front
    assert "problematic" not in front

"""What a finished run leaves: docs/tutorial.md as it is written, then more of its cohort.

Fits to halves, a simulation and the report come with a second config. One process of the tests
makes all of it, and plain functions read it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from workflows import REPOSITORY, TOOLS, tables_of, tiny_simulations

from mssvae import cohorts
from mssvae.data.files import read_table
from mssvae.replicates import seeds

COHORT = "results/mine/cohorts/my_cohort"
TOY = "results/mine/simulations/toy"
CONFIG = "config/more.yaml"
FIGURES = ("qc", "convergence", "masks", "unseen", "enrichment_backgrounds")
FIGURES += ("shared_processes", "specific_processes")
IN_THE_REPORT = {
    "results/mine/figures/schematic.png",
    "results/mine/tables/settings.tsv",
    "results/mine/tables/simulations.csv",
    "results/mine/tables.html",
    *(f"{TOY}/{table}.csv" for table in ("scores", "summary")),
    *(f"{TOY}/figures/{figure}.png" for figure in ("simulation", "worst")),
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


def blocks():
    """The code of the tutorial, in order: its language and its text."""
    text = (REPOSITORY / "docs/tutorial.md").read_text()
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def answer_to(*command, folder):
    """Run a command in the folder of a copy of the repository, with its tools and library."""
    return subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def run(*command, folder):
    """Run a command that must succeed; return all that it said."""
    answer = answer_to(*command, folder=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def snakemake(*arguments, folder, config=CONFIG):
    return run("snakemake", "--cores", "2", *arguments, "--configfile", config, folder=folder)


@pytest.fixture(scope="module")
def tutorial(r, tmp_path_factory):
    """A copy of the repository in which every step of the tutorial was taken."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("config", "envs", "profiles", "scripts", "src", "workflow"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    for language, code in blocks():
        if language == "yaml":
            (folder / "config/mine.yaml").write_text(code)
        elif language == "python":
            run(sys.executable, "-W", "error", "-c", code, folder=folder)
        else:
            run("sh", "-e", "-c", code, folder=folder)
    return folder


def config_of_all():
    """The tutorial's, with fits to halves, and two data sets of one simulation."""
    config = yaml.safe_load(blocks()[1][1])
    config["cohorts"]["my_cohort"]["stability"] = {"n_runs": 2}
    simulations = tiny_simulations()
    del simulations["settings"]["toy_rna"], simulations["settings"]["toy"]["methods"]["paper"]
    return config | {"simulations": simulations}


def write_config(folder, name, content):
    (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return name


@pytest.fixture(scope="module")
def folder(tutorial):
    """The folder of the tutorial after a run of all."""
    write_config(tutorial, CONFIG, config_of_all())
    snakemake(folder=tutorial)
    return tutorial


@pytest.fixture(scope="module")
def report(folder):
    path = "results/mine/report.html"
    snakemake("--report", path, folder=folder)
    return (folder / path).read_text()


def embedded(report, name):
    """Return what the report holds under a name."""
    script = re.search(rf'<script id="{name}">\s*var \w+ = (.*?);\s*</script>', report, re.DOTALL)
    return json.loads(script.group(1))


# The tutorial.


def test_the_steps_are_files_config_command_and_python():
    assert [language for language, _ in blocks()] == ["python", "yaml", "sh", "python"]


def test_the_config_has_about_ten_lines():
    assert len(blocks()[1][1].splitlines()) <= 11


def test_all_kinds_of_files_hold_the_same_counts(tutorial):
    h5ad, table, mtx = (
        cohorts.read_counts(tutorial / "data" / name)
        for name in ("counts.h5ad", "counts.tsv.gz", "mtx/matrix.mtx")
    )
    assert h5ad.shape == (80, 1200)
    pd.testing.assert_frame_equal(table.to_df(), h5ad.to_df())
    pd.testing.assert_frame_equal(mtx.to_df(), h5ad.to_df())


def test_the_command_makes_the_files_that_the_tutorial_names(tutorial):
    results = tutorial / COHORT
    text = (REPOSITORY / "docs/tutorial.md").read_text().split("## 3.")[1].split("## 4.")[0]
    names = re.findall(r"`((?:tables|figures|fit)/[\w.]+)`", text)
    assert len(names) == 7
    assert [name for name in names if not (results / name).exists()] == []
    composition = pd.read_csv(results / "tables/composition.tsv", sep="\t", index_col="group")
    assert composition["samples"].to_dict() == {"control": 40, "patient": 40, "Total": 80}


def test_the_command_reads_matrix_market_files_and_again_when_a_name_changes(tutorial):
    config = "config/mtx.yaml"
    text = blocks()[1][1].replace("run: mine", "run: mtx")
    (tutorial / config).write_text(text.replace("data/counts.h5ad", "data/mtx/matrix.mtx"))
    counts = "results/mtx/cohorts/my_cohort/data/counts.h5ad"
    genes = tutorial / "data/mtx/genes.tsv"
    names = genes.read_text()
    snakemake(counts, folder=tutorial, config=config)
    genes.write_text(names.replace("ENSG", "gene", 1))
    snakemake(counts, folder=tutorial, config=config)
    renamed = ad.read_h5ad(tutorial / counts)
    assert renamed.var_names.str.startswith("gene").sum() == 1
    genes.write_text(names)


def test_python_makes_the_fit_of_the_command(tutorial):
    masks = pd.read_csv(tutorial / COHORT / "fit/masks.tsv.gz", sep="\t", index_col="gene")
    adata = ad.read_h5ad(tutorial / "data/factors.h5ad")
    assert adata.var_names.tolist() == masks.index.tolist()
    for study in ("shared", "control", "patient"):
        expected = masks.filter(regex=f"^{study}_").to_numpy()
        assert np.abs(expected).max() > 0.5
        np.testing.assert_allclose(adata.varm[f"mssvae_{study}"], expected, atol=1e-4)


# The cohort.


def test_every_figure_is_there_as_pdf_and_png(folder):
    figures = folder / COHORT / "figures"
    assert {path.stem for path in figures.glob("*.pdf")} == set(FIGURES)
    assert {path.stem for path in figures.glob("*.png")} == set(FIGURES)
    assert (folder / "results/mine/figures/schematic.pdf").exists()


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
    assert manifest["fit"]["decoder"] == "linear"
    assert manifest["source"]["kind"] == "files"
    assert manifest["device"] == "cpu"
    assert "torch" in manifest["packages"]
    assert "commit" in manifest


def test_masks_have_the_selected_genes_and_all_factors(folder):
    masks = pd.read_csv(folder / COHORT / "fit/masks.tsv.gz", sep="\t")
    assert masks.shape == (500, 1 + 6 + 2 * 3)
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


def test_a_second_run_has_nothing_to_do(folder):
    """Also with the compiled files that the first run may have left beside the library's."""
    for package in ("cohorts", "enrichment", "figures"):
        (folder / "src/mssvae" / package / "__pycache__").mkdir(exist_ok=True)
    assert "Nothing to be done" in snakemake(folder=folder)


def test_a_lost_figure_is_drawn_again_without_another_fit(folder):
    figure = f"{COHORT}/figures/masks.pdf"
    before = (folder / figure).read_bytes()
    (folder / figure).unlink()
    assert "fit_cohort" not in snakemake(figure, folder=folder)
    assert (folder / figure).read_bytes() == before


def test_another_seed_is_another_fit_to_the_same_counts(folder):
    config = write_config(folder, "config/seed.yaml", config_of_all() | {"seed": 2})
    output = snakemake("-n", folder=folder, config=config)
    assert "Fitting the MSSVAE to cohort my_cohort" in output
    assert "Bringing the counts" not in output
    assert "Quality control of cohort" not in output


def test_a_fit_made_again_has_the_same_bytes(folder, tmp_path):
    again = shutil.copytree(folder, tmp_path / "again")
    shutil.rmtree(again / COHORT / "fit")
    fit = f"{COHORT}/fit/masks.tsv.gz"
    snakemake(fit, folder=again)
    tables, first = tables_of(again), tables_of(folder)
    assert fit in tables
    assert tables == {name: first[name] for name in tables}


# The simulations.


def test_figures_of_simulations_are_there_as_pdf_and_png(folder):
    assert {path.name for path in (folder / TOY / "figures").iterdir()} == {
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
    table = pd.read_csv(folder / "results/mine/tables/simulations.csv")
    pd.testing.assert_frame_equal(table, pd.read_csv(folder / TOY / "summary.csv"))
    assert (table["n"] == 2).all()


def test_settings_have_a_column_for_every_method(folder):
    settings = pd.read_csv(folder / "results/mine/tables/settings.tsv", sep="\t", index_col=0)
    assert settings.columns.tolist() == ["toy/default", "my_cohort"]
    assert float(settings.loc["Learning Rate (not W)", "toy/default"]) == 0.01
    assert settings.loc["likelihood"].tolist() == ["gaussian", "negative_binomial"]


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


def test_another_method_leaves_the_fits_there_are(folder):
    changed = config_of_all()
    changed["simulations"]["settings"]["toy"]["methods"]["other"] = {"max_epochs": 1}
    config = write_config(folder, "config/method.yaml", changed)
    output = snakemake("-n", f"{TOY}/summary.csv", folder=folder, config=config)
    assert "Fitting method other" in output
    assert "Fitting method default" not in output


def test_development_replicates_run_when_asked_for(folder):
    snakemake("-n", f"{TOY}/1/default/scores.tsv", folder=folder)
    unknown = f"{TOY}/2/default/scores.tsv"
    answer = answer_to("snakemake", "-n", unknown, "--configfile", CONFIG, folder=folder)
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
        "Cohort my_cohort",
        "Simulation toy",
    }
    assert categories["Cohort my_cohort"].keys() == {"Figures", "Tables"}
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
    assert "<strong>mine</strong>" in front
    assert 'href="explorer.html"' in front
    assert (folder / "results/mine/explorer.html").exists()


def test_the_page_of_tables_has_captions_and_ends_in_the_provenance(folder):
    page = (folder / "results/mine/tables.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[0] == "tables/settings.tsv"
    assert "cohorts/my_cohort/tables/composition.tsv" in titles
    assert titles[-1] == "provenance"
    end = page[page.index("<h2>provenance</h2>") :]
    for word in ("files", "simulation", "commit", "torch", "toy/default", "my_cohort"):
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
    assert f"<strong>My cohort</strong>: genes have {n} of 6 shared factors" in front
    assert "<strong>Toy</strong>, method default, 2 data sets: median" in front
    assert "problematic" not in front

"""The report of a finished run: self-contained, with everything people want and words to it."""

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from test_workflow import snakemake, tiny_simulations, write_own_files

from mssvae.files import read_table

COHORT = "results/test/cohorts/mine"
TOY = "results/test/simulations/toy"
WANTED = {
    "results/test/figures/schematic.png",
    "results/test/tables/settings.tsv",
    "results/test/tables/simulations.csv",
    "results/test/tables.html",
    f"{TOY}/scores.csv",
    f"{TOY}/summary.csv",
    *(f"{TOY}/figures/{figure}.png" for figure in ("simulation", "worst")),
    f"{COHORT}/fit/manifest.json",
    f"{COHORT}/tables/genes.tsv.gz",
    f"{COHORT}/enrichment/terms.tsv.gz",
    *(
        f"{COHORT}/figures/{figure}.png"
        for figure in (
            *("qc", "convergence", "masks", "unseen"),
            *("shared_processes", "specific_processes", "enrichment_backgrounds"),
        )
    ),
    *(
        f"{COHORT}/tables/{table}.tsv"
        for table in (
            *("composition", "qc_steps", "factors", "unseen", "stability"),
            *("enriched_shares", "enrichment_summary", "enrichment_backgrounds"),
            *("shared_processes", "specific_processes"),
        )
    ),
}


@pytest.fixture(scope="module")
def run(r, tmp_path_factory):
    """A finished run of a cohort and a simulation, with its report."""
    folder = tmp_path_factory.mktemp("report")
    simulations = tiny_simulations()
    del simulations["settings"]["toy_rna"], simulations["settings"]["toy"]["methods"]["paper"]
    simulations["settings"]["toy"]["n_reported"] = 1
    content = {
        "run": "test",
        "cohorts": {"mine": write_own_files(folder) | {"stability": {"n_runs": 1}}},
        "simulations": simulations,
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    report = ["--report", "results/test/report.html"]
    for arguments in ([], report):
        answer = snakemake("--configfile", config, *arguments, folder=folder)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "results/test"


@pytest.fixture(scope="module")
def report(run):
    return (run / "report.html").read_text()


def embedded(report, name):
    """Return what the report holds under a name."""
    script = re.search(rf'<script id="{name}">\s*var \w+ = (.*?);\s*</script>', report, re.DOTALL)
    return json.loads(script.group(1))


def test_everything_people_want_is_in_the_report(report):
    assert embedded(report, "results").keys() == WANTED


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


def test_the_front_page_names_the_run_and_leads_to_the_explorer(run, report):
    front = embedded(report, "workflow-desc")
    assert "<strong>test</strong>" in front
    assert 'href="explorer.html"' in front
    assert (run / "explorer.html").exists()


def test_the_page_of_tables_has_captions_and_ends_in_the_provenance(run):
    page = (run / "tables.html").read_text()
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


def test_the_front_page_says_what_the_run_found(run, report):
    front = embedded(report, "workflow-desc")
    factors = read_table(run / "cohorts/mine/tables/factors.tsv")
    n = (factors.loc[factors["kind"] == "shared", "n_nonzero"] > 0).sum()
    assert f"<strong>My cohort</strong>: genes have {n} of 3 shared factors" in front
    assert "<strong>Toy</strong>, method default, 1 data sets: median" in front
    assert "problematic" not in front

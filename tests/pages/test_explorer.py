"""The pages for a browser, opened in one where Chromium is installed."""

import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pandas as pd
import pytest

from mssvae import InputError, pages

GENES = [f"ENSG{j:011d}" for j in range(30)]
FACTORS = ["shared_01", "shared_02", "case_01", "</script>_01"]
GROUPS = ["case", "</script>"]


def tables():
    """A cohort of two groups; PLANTED weighs -3 in the second and 1 in the third factor."""
    rng = np.random.default_rng(0)
    masks = pd.DataFrame(0.0, pd.Index(GENES, name="gene"), FACTORS)
    masks.iloc[:12, 0] = np.linspace(2, 0.1, 12)
    masks.loc[GENES[20], "shared_02"] = -3.0
    masks.loc[GENES[20], "case_01"] = 1.0
    masks.loc[GENES[21], "case_01"] = 0.4
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(8)], "group": GROUPS * 4})
    latent = pd.DataFrame(rng.normal(size=(8, 4)), samples["sample"], FACTORS)
    latent.loc[(samples["group"] != "case").to_numpy(), "case_01"] = np.nan
    latent.loc[(samples["group"] == "case").to_numpy(), "</script>_01"] = np.nan
    factors = pd.DataFrame(
        {
            "factor": FACTORS,
            "study": [None, None, *GROUPS],
            "n_genes": (masks.abs() > 0.5).sum().tolist(),
            "kl_case": [1.0, 2.0, 3.0, np.nan],
            "kl_</script>": [1.0, 0.01, np.nan, 0.5],
        }
    )
    terms = pd.DataFrame(
        {
            "set": "shared_01",
            "ID": [f"GO:{i:07d}" for i in range(15)],
            "Description": [f"process {i}" for i in range(15)],
            "FoldEnrichment": np.linspace(5, 1, 15),
            "p.adjust": [0.001] * 12 + [0.2, 0.3, 1.0],
            "geneID": "/".join(GENES[:3]),
            "Count": 3,
        }
    )
    terms = pd.concat([terms, terms.assign(**{"set": "case_01", "p.adjust": 0.5})])
    names = pd.DataFrame(
        {"gene": GENES, "symbol": [f"SYM{j}" for j in range(30)], "name": "a gene"}
    )
    names.loc[20, ["symbol", "name"]] = ["PLANTED", "planted, for the test"]
    names.loc[21, "name"] = None
    manifest = {
        "studies": GROUPS,
        "n_samples": 8,
        "n_features": 30,
        "settings": {"n_shared": 2, "n_specific": 1, "seed": 1},
        "source": {"kind": "synthetic"},
        "mssvae": "0.1.0",
        "commit": None,
    }
    return {
        "title": "Toy cohort",
        "masks": masks,
        "frequency": (masks != 0) * 0.25,
        "latent": latent,
        "factors": factors,
        "terms": terms,
        "samples": samples,
        "names": names,
        "manifest": manifest,
        "threshold": 0.5,
        "fdr": 0.05,
    }


def toy_page():
    """The page of two cohorts with enrichment and one without, whose genes have no Ensembl ids."""
    cohorts = {"toy": pages.cohort(**tables()), "other": pages.cohort(**tables())}
    cohorts["other"]["title"] = "Another cohort"
    content = tables() | {"terms": None, "names": None, "frequency": None}
    content["masks"] = content["masks"].rename(lambda gene: gene.replace("ENSG", "own"))
    cohorts["untested"] = pages.cohort(**content)
    return pages.explorer("test", cohorts)


@pytest.fixture(scope="module")
def page():
    return toy_page()


class TestCohort:
    def test_only_weights_that_are_not_zero_are_kept_largest_first(self):
        factors = pages.cohort(**tables())["factors"]
        assert [len(factor["weights"]) for factor in factors] == [12, 1, 2, 0]
        assert factors[2]["genes"] == [20, 21]
        assert factors[2]["weights"] == [1.0, 0.4]
        assert [factor["n_genes"] for factor in factors] == [9, 1, 1, 0]

    def test_frequencies_are_those_of_the_weights(self):
        content = tables()
        content["frequency"].loc[GENES[21], "case_01"] = 0.75
        frequencies = [factor["frequencies"] for factor in pages.cohort(**content)["factors"]]
        assert frequencies == [[0.25] * 12, [0.25], [0.25, 0.75], []]
        factors = pages.cohort(**content | {"frequency": None})["factors"]
        assert [factor["frequencies"] for factor in factors] == [None] * 4

    def test_all_enriched_processes_and_at_least_ten_are_kept(self):
        factors = pages.cohort(**tables())["factors"]
        assert [len(factor["terms"]) for factor in factors] == [12, 0, 10, 0]

    def test_activity_is_of_the_groups_that_have_the_factor(self):
        factors = pages.cohort(**tables())["factors"]
        groups = [[part["group"] for part in factor["activity"]] for factor in factors]
        assert groups == [GROUPS, GROUPS, ["case"], ["</script>"]]
        assert [part["kl"] for part in factors[1]["activity"]] == [2.0, 0.01]

    def test_synthetic_data_are_called_so(self):
        assert pages.cohort(**tables())["note"] == "synthetic data"

    def test_factors_that_differ(self):
        content = tables()
        content["factors"] = content["factors"].iloc[::-1]
        with pytest.raises(InputError, match="not the same factors"):
            pages.cohort(**content)

    def test_a_gene_without_a_name(self):
        content = tables()
        content["names"] = content["names"].iloc[1:]
        with pytest.raises(InputError, match=GENES[0]):
            pages.cohort(**content)

    def test_an_infinite_weight(self):
        content = tables()
        content["masks"].iloc[2, 1] = np.inf
        with pytest.raises(InputError, match=f"'shared_02' of row '{GENES[2]}' is inf"):
            pages.cohort(**content)

    @pytest.mark.parametrize("table", ["latent", "factors"])
    def test_a_missing_posterior_mean_or_divergence(self, table):
        content = tables()
        content[table].iloc[0, -2] = np.nan
        if table == "latent":
            content[table].iloc[0, 0] = np.nan
        with pytest.raises(InputError, match="factor 'shared_01' in group 'case'"):
            pages.cohort(**content)

    def test_a_process_with_a_gene_that_is_not_in_the_masks(self):
        content = tables()
        content["terms"].iloc[1, 5] = "ENSG1/ENSG2"
        with pytest.raises(InputError, match="gene 'ENSG1' of GO:0000001 for the set 'shared_01'"):
            pages.cohort(**content)

    def test_the_ninth_group_has_a_pattern(self):
        content = tables()
        content["manifest"]["studies"] = [*"abcdefgh", "z"]
        content["masks"] = content["masks"].iloc[:, :0]
        content["factors"] = content["factors"].iloc[:0]
        content["samples"]["group"] = [*"abcdefgh"]
        groups = pages.cohort(**content)["groups"]
        assert [group["pattern"] for group in groups] == [*[""] * 8, "/"]

    def test_a_sample_without_a_group(self):
        content = tables()
        content["samples"] = content["samples"].iloc[:-1]
        with pytest.raises(InputError, match="'s7'"):
            pages.cohort(**content)


class _Loads(HTMLParser):
    """Collects what a page would load, and the policy it is under."""

    def __init__(self):
        super().__init__()
        self.loads, self.policy = [], None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag == "link" or "src" in attrs or "srcset" in attrs:
            self.loads.append((tag, attrs))


class TestPage:
    def test_equal_cohorts_give_equal_bytes(self, page):
        assert toy_page() == page

    def test_nothing_is_loaded_and_nothing_may_be(self, page):
        parser = _Loads()
        parser.feed(page)
        assert parser.loads == []
        assert parser.policy.startswith("default-src 'none';")
        assert "http" not in parser.policy

    def test_names_cannot_end_the_script_that_holds_them(self, page):
        data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page).group(1)
        factors = json.loads(data)["cohorts"]["toy"]["factors"]
        assert factors[3]["name"] == "</script>_01"


class TestTables:
    def test_every_table_has_its_caption_and_values(self):
        frame = pd.DataFrame({"group": ["a<b", None], "share": [0.123456, 1.0]})
        html = pages.tables("test", [pages.Table("tables/x.tsv", "What <it> is.", frame)])
        assert "tables/x.tsv" in html
        assert "What &lt;it&gt; is." in html
        assert "a&lt;b" in html
        assert "0.1235" in html
        assert "None" not in html


CHROMIUM = shutil.which("chromium")
# Runs before the page.
WATCH = """<script>
const problems = [];
addEventListener("error", (event) => problems.push(event.message));
addEventListener("securitypolicyviolation", (event) => problems.push(event.blockedURI));
</script>"""
# Runs after it: what a visitor does, and what is to be seen after each step.
VISIT = """<script>
addEventListener("load", async () => {
  const seen = {};
  async function see(step, act = () => {}) {
    act();
    await new Promise((done) => setTimeout(done, 300));
    seen[step] = Object.fromEntries([...document.querySelectorAll("[id]")].map(
      (node) => [node.id, node.innerText]));
    seen[step].visible = at("factors").checkVisibility();
    seen[step].label = at("activity").getAttribute("aria-label");
  }
  function type(text) { at("search").value = text; at("search").oninput(); }
  function choose(id, value) { at(id).value = value; at(id).onchange(); }

  await see("opened");
  seen.charts = [...document.querySelectorAll("[role=img]")].map(
    (node) => node.querySelector("svg") !== null);
  seen.links = [...document.links].map((link) => link.href);
  seen.resources = performance.getEntriesByType("resource").map((entry) => entry.name);
  seen.wide = document.documentElement.scrollWidth > innerWidth;
  seen.outside = [...document.querySelectorAll("[role=img]")].filter((node) => {
    const [svg, card] = [node.querySelector("svg"), node.closest("section")].map(
      (part) => part.getBoundingClientRect());
    const scrolls = node.parentElement.classList.contains("scroll");
    const place = node.getBoundingClientRect();
    return svg.right > place.right + 1 || (!scrolls && svg.right > card.right);
  }).map((node) => node.id);
  await see("symbol", () => type("planted"));
  await see("words", () => type("for the test"));
  await see("id", () => type("ENSG00000000020"));
  await see("several", () => type("a gene"));
  await see("answer", () => document.querySelector("#found button").click());
  await see("followed", () => {
    type("planted");
    document.querySelectorAll("#found button")[1].click();
  });
  seen.sought = document.querySelector(".sought").innerText;
  type("");
  seen.hidden = at("found").hidden;
  await see("next", () => at("next").click());
  await see("previous", () => at("previous").click());
  await see("bar", () => at("overview").emit(
    "plotly_click", { points: [{ customdata: ["shared_02", 0] }] }));
  await see("factor", () => choose("factor", "case_01"));
  URL.createObjectURL = (blob) => { seen.blob = blob; return "data:,"; };
  HTMLAnchorElement.prototype.click = () => {};  // It would start a download.
  at("genes-csv").click();
  seen.genes_csv = await seen.blob.text();
  at("processes-csv").click();
  seen.processes_csv = await seen.blob.text();
  await see("back", () => history.back());
  await see("cohort", () => choose("cohort", "other"));
  await see("enriched", () => {
    cohorts.other.factors[0].terms = [];
    cohorts.other.factors[2].terms.forEach((term) => { term[3] = 0; });
    render();
  });
  await see("rows", () => {
    const factor = cohorts.other.factors[2];
    factor.genes = [...cohorts.other.genes.keys()];
    factor.weights = factor.frequencies = factor.genes.map(() => 1);
    show("other", factor.name);
    render();
  });
  await see("all_rows", () => document.querySelector("#genes-table tfoot button").click());
  await see("late_row", () => show("other", "case_01", cohorts.other.genes[28][0]));
  seen.found_row = document.querySelector(".sought").innerText;
  await see("nothing", () => { cohorts.other.factors = []; render(); });
  await see("untested", () => { location.hash = "untested/shared_01"; });
  const visible = (node) => node.checkVisibility();
  seen.untested_links = [...document.links].filter(visible).map((link) => link.href);
  seen.untested_processes = visible(at("processes-part"));
  await see("empty", () => { location.hash = "toy/%3C%2Fscript%3E_01"; });
  seen.processes = visible(at("processes-part"));
  const answer = element("form", { action: ADDRESS, method: "post", enctype: "text/plain" },
    element("textarea", { name: "seen", value: JSON.stringify({ ...seen, problems }) }));
  document.body.append(answer);
  answer.submit();
})</script></body>"""


class _Visit(BaseHTTPRequestHandler):
    """Hands out the page in a frame, and takes what the page sends at the end of the visit."""

    def do_GET(self):
        content = self.server.pages.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((content or "").encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.answer = json.loads(body.removeprefix("seen="))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def visit(page, folder, width):
    """Open the page in a frame of a width, do what VISIT does and return what was seen."""
    # The window of a browser has a least width, a frame has none.
    frame = f'<iframe src="page.html" style="width: {width}px; height: 900px; border: 0">'
    page = page.replace("<style>", WATCH + "<style>", 1).replace("</body>", VISIT)
    with HTTPServer(("127.0.0.1", 0), _Visit) as server:
        server.pages = {"/": frame, "/page.html": page.replace("ADDRESS", '"/"')}
        server.timeout, server.answer = 10, None
        command = [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--proxy-server=127.0.0.1:9",  # Nobody listens there.
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1400,1000",
            f"http://127.0.0.1:{server.server_port}/",
        ]
        end = time.monotonic() + 120
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as browser:
            while server.answer is None and time.monotonic() < end:
                server.handle_request()
            browser.terminate()
    assert server.answer is not None, "the visit did not come to its end"
    return server.answer


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory):
    return visit(page, tmp_path_factory.mktemp("wide"), 1280)


@pytest.mark.skipif(CHROMIUM is None, reason="a browser: apt-get install chromium")
class TestInABrowser:
    def test_it_opens_at_the_factor_with_most_to_see(self, seen):
        opened = seen["opened"]
        assert opened["name"] == "shared_01"
        assert "9 genes in its gene set (|weight| > 0.5), 12" in opened["summary"]
        assert "comes back in 25 % of the fits to random shares" in opened["summary"]
        assert "12 enriched processes" in opened["summary"]
        assert opened["note"] == "synthetic data"
        assert seen["charts"] == [True] * 4
        # Of fewer genes than the first one, with processes.
        assert seen["enriched"]["name"] == "case_01"

    def test_nothing_was_loaded_or_went_wrong(self, seen):
        assert seen["resources"] == []
        assert seen["problems"] == []

    @pytest.mark.parametrize("query", ["symbol", "words", "id"])
    def test_a_search_finds_the_planted_gene_in_all_its_factors(self, seen, query):
        lines = seen[query]["found"].splitlines()
        assert lines[0] == "PLANTED: planted, for the test"
        assert lines[-2:] == ["shared_02\t-3\t1 of 1\tyes", "case_01\t1\t1 of 2\tyes"]

    def test_a_search_with_several_answers_offers_them(self, seen):
        assert seen["several"]["found"].startswith("28 genes for “a gene”")
        assert seen["answer"]["found"].startswith("SYM0: a gene")

    def test_a_factor_of_the_search_can_be_followed_and_has_the_gene_marked(self, seen):
        assert seen["followed"]["name"] == "case_01"
        assert seen["sought"].startswith("PLANTED")
        assert seen["hidden"]

    def test_another_factor_changes_what_is_shown(self, seen):
        shown = seen["factor"]
        assert shown["name"] == "case_01"
        assert shown["summary"].startswith("Specific to case. 1 gene in its gene set")
        assert shown["genes-table"].splitlines()[-2:] == [
            "PLANTED\tplanted, for the test\t1\t0.25",
            "SYM21\t\t0.4\t0.25",
        ]
        assert "No process is enriched" in shown["processes-text"]
        assert "PLANTED" in shown["genes"]
        assert "PLANTED" not in seen["opened"]["genes"]
        assert shown["label"] == "posterior means in case"
        assert seen["opened"]["label"] == "posterior means in case, </script>"

    def test_a_cohort_without_enrichment_has_everything_but_processes(self, seen):
        shown = seen["untested"]
        assert shown["name"] == "shared_01"
        assert "own00000000000" in shown["genes-table"]
        assert "12 with a weight that is not zero." in shown["summary"]
        assert not seen["untested_processes"]
        assert shown["label"] == "posterior means in case, </script>"
        assert seen["untested_links"] == []
        assert seen["processes"]

    def test_buttons_bars_and_the_way_back_lead_to_factors(self, seen):
        assert seen["next"]["name"] == "</script>_01"
        assert seen["previous"]["name"] == "case_01"
        assert seen["bar"]["name"] == "shared_02"
        assert seen["back"]["name"] == "shared_02"

    def test_a_factor_without_genes_can_be_looked_at(self, seen):
        assert seen["empty"]["name"] == "</script>_01"
        assert seen["empty"]["genes-text"] == "The factor has no genes."

    def test_another_cohort_can_be_chosen(self, seen):
        assert seen["cohort"]["title"].startswith("Another cohort")

    def test_long_tables_show_all_rows_when_asked(self, seen):
        caption = ["30 genes with a weight; those outside the gene set in grey"]
        few, all_rows = (seen[step]["genes-table"].splitlines() for step in ("rows", "all_rows"))
        assert few[:1] == all_rows[:1] == caption
        assert few[-1].strip() == "Show all 30 rows"
        assert [len(lines) - len(caption) - 1 for lines in (few, all_rows)] == [26, 30]

    def test_a_gene_of_the_search_is_shown_however_small_its_weight(self, seen):
        assert seen["found_row"].startswith("SYM28")

    def test_a_fit_without_factors_says_so(self, seen):
        assert seen["nothing"]["no-factor"].startswith("The fit has no factor")
        assert not seen["nothing"]["visible"]
        assert seen["opened"]["visible"]

    def test_bars_and_groups_have_names(self, seen):
        assert all(name in seen["opened"]["overview"] for name in FACTORS)
        assert seen["opened"]["legend"].split() == ["shared", *GROUPS]

    def test_links_lead_to_pages_of_genes_and_processes(self, seen):
        assert f"https://www.ensembl.org/id/{GENES[0]}" in seen["links"]
        assert "https://www.ebi.ac.uk/QuickGO/term/GO:0000000" in seen["links"]

    def test_tables_can_be_downloaded(self, seen):
        assert seen["genes_csv"] == (
            "gene,symbol,name,weight,in_gene_set,frequency\n"
            f'{GENES[20]},PLANTED,"planted, for the test",1,true,0.25\n'
            f"{GENES[21]},SYM21,,0.4,false,0.25\n"
        )
        lines = seen["processes_csv"].splitlines()
        assert len(lines) == 11
        assert lines[1] == f"GO:0000000,process 0,5,0.5,{' '.join(GENES[:3])}"

    def test_a_narrow_screen_needs_no_sideways_scrolling(self, page, seen, tmp_path):
        narrow = visit(page, tmp_path, 420)
        assert narrow["wide"] is seen["wide"] is False
        assert narrow["outside"] == seen["outside"] == []
        assert narrow["problems"] == []

"""What a machine without R, browser or data gets, and what is said of what it does not get."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from workflows import snakemake, write_config, write_own_files

from mssvae.data.files import sha256
from mssvae.enrichment import MissingR, write_gmt

REPOSITORY = Path(__file__).parents[2]


class TestWorkflowWithoutR:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        monkeypatch.setenv("R_HOME", str(tmp_path / "no R here"))
        monkeypatch.setenv("MSSVAE_DATA", str(tmp_path))
        config = write_config(tmp_path, write_own_files(tmp_path))

        def run(*arguments):
            answer = snakemake(*arguments, "--configfile", config, folder=tmp_path)
            assert answer.returncode == 0, answer.stdout + answer.stderr
            return answer.stdout + answer.stderr

        return run

    def test_all_but_the_tests_of_gene_sets_is_planned_and_how_to_get_them_is_told(self, run):
        told = run("-n")
        assert "Cohort mine goes without tests of gene sets" in told
        assert "apt-get install r-base-core" in told
        assert "resources/cache/GO/go_bp.gmt.gz" in told
        assert "figures/masks.pdf" in told
        assert "processes.pdf" not in told

    def test_tests_of_gene_sets_are_planned_where_there_is_a_file(self, run, tmp_path):
        (tmp_path / "GO").mkdir()
        (tmp_path / "GO/go_bp.gmt").touch()
        told = run("-n")
        assert "goes without" not in told
        assert "specific_processes.pdf" in told
        assert "Reading the Gene Ontology processes" in told


GENES = [f"ENSG{j:011d}" for j in range(80)]


class TestScriptsWithoutR:
    @pytest.fixture
    def run_script(self, monkeypatch):
        def load_functions():
            raise MissingR("R does not start.")

        monkeypatch.setattr("mssvae.enrichment._r.load_functions", load_functions)
        monkeypatch.setattr("mssvae.logs.log_to", lambda path: None)

        def run(name, **parts):
            parts = {key: SimpleNamespace(**values) for key, values in parts.items()}
            snakemake = SimpleNamespace(log=["log"], **parts)
            script = str(REPOSITORY / "scripts" / name)
            runpy.run_path(script, init_globals={"snakemake": snakemake})

        return run

    def test_gene_sets_are_tested_on_the_file(self, run_script, tmp_path):
        sets = [(f"GO:{k}", f"process {k}", gene) for k in range(4) for gene in GENES[k * 10 :]]
        table = pd.DataFrame(sets, columns=["ID", "Description", "gene"])
        write_gmt(table, tmp_path / "given.gmt")
        written = tmp_path / "go_bp.gmt.gz"
        given = [tmp_path / "given.gmt"]
        run_script("go_gene_sets.py", input={"given": given}, output={"sets": written})
        (tmp_path / "sets.json").write_text(json.dumps({"Z1": GENES[:10]}))
        genes = pd.DataFrame({"gene": GENES, "selected": True})
        genes.to_csv(tmp_path / "genes.tsv", sep="\t")
        names = ("terms.tsv", "summary.tsv", "engine.json")
        terms, summary, engine = (tmp_path / name for name in names)
        run_script(
            "enrichment.py",
            input={
                "gene_sets": tmp_path / "sets.json",
                "genes": tmp_path / "genes.tsv",
                "annotation": [written],
            },
            params={"engine": "auto", "adjust": "BY", "fdr": 0.05, "background": "fitted"},
            output={"terms": terms, "summary": summary, "engine": engine},
        )
        assert pd.read_csv(terms, sep="\t")["ID"].tolist() == ["GO:0"]
        told = json.loads(engine.read_text())
        assert told["engine"] == "python"
        assert told["annotation_sha256"] == sha256(written)

    def test_without_a_file_the_processes_cannot_be_written_and_it_says_what_to_do(
        self, run_script, tmp_path
    ):
        with pytest.raises(MissingR, match=r"R does not start.*GO/go_bp\.gmt\.gz"):
            run_script(
                "go_gene_sets.py", input={"given": []}, output={"sets": tmp_path / "go_bp.gmt"}
            )

    def test_genes_are_called_by_their_ids(self, run_script, tmp_path, caplog):
        pd.DataFrame({"gene": GENES}).to_csv(tmp_path / "masks.tsv", sep="\t")
        run_script(
            "gene_names.py",
            input={"genes": tmp_path / "masks.tsv"},
            output={"names": tmp_path / "names.tsv"},
        )
        names = pd.read_csv(tmp_path / "names.tsv", sep="\t")
        assert names["symbol"].tolist() == GENES
        assert names["name"].isna().all()
        assert "Genes are called by their ids." in caplog.text


class TestListOfResults:
    def list_results(self, folder):
        script = REPOSITORY / "scripts/list_results.py"
        command = [sys.executable, script, folder]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @pytest.mark.parametrize("tested", [True, False])
    def test_pages_figures_and_tables_are_listed_and_what_could_not_be_made(self, tmp_path, tested):
        made = ["explorer.html", "tables.html", "figures/schematic.pdf", "tables/settings.tsv"]
        made += ["cohorts/mine/figures/masks.pdf", "cohorts/mine/tables/factors.tsv"]
        made += ["simulations/toy/figures/worst.pdf", "simulations/toy/summary.csv"]
        for name in [*made, *(["cohorts/mine/enrichment/terms.tsv.gz"] if tested else [])]:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        listed = self.list_results(tmp_path)
        assert all(f"  {tmp_path / name}\n" in listed for name in made)
        absent = "Not made, as the gene sets of mine were not tested:"
        assert (absent in listed) == (not tested)
        assert ("figures: shared_processes, specific_processes" in listed) == (not tested)


SKIPPED = """
import pytest

def test_a():
    pytest.skip("a browser: install one")

@pytest.mark.skipif(True, reason="clusterProfiler: R has none")
def test_b():
    pass

@pytest.mark.xfail(reason="known")
def test_c():
    assert False
"""


class TestSkippedTests:
    def run_tests(self, folder, require):
        shutil.copy(REPOSITORY / "tests/conftest.py", folder)
        (folder / "test_some.py").write_text(SKIPPED)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", folder],
            env=os.environ | {"MSSVAE_REQUIRE": require},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_the_last_lines_say_how_to_get_them(self, tmp_path):
        answer = self.run_tests(tmp_path, require="")
        assert answer.returncode == 0
        listed = answer.stdout.split("skipped, and how to get it")[1]
        assert "1 test: a browser: install one" in listed
        assert "1 test: clusterProfiler: R has none" in listed

    def test_where_all_is_required_they_fail_but_for_what_is_named(self, tmp_path):
        answer = self.run_tests(tmp_path, require="all")
        assert answer.returncode == 1
        assert "1 failed, 1 skipped, 1 xfailed" in answer.stdout
        assert "skipped, but MSSVAE_REQUIRE=all: a browser" in answer.stdout


LOGGED = """
import logging, sys
from mssvae.logs import log_to
log_to(sys.argv[1])
logging.getLogger("mssvae.fitting.networks.loop").info("epoch 1")
"""


@pytest.mark.parametrize(
    ("path", "job"),
    [
        ("results/quick/logs/simulations/rna/401/paper/fit.log", "simulations/rna/401/paper/fit"),
        ("logs/50%/fit.log", "50%/fit"),
        ("benchmark.log", "benchmark"),
    ],
)
def test_lines_of_jobs_side_by_side_name_the_job(tmp_path, path, job):
    answer = subprocess.run(
        [sys.executable, "-c", LOGGED, tmp_path / path], capture_output=True, text=True, check=True
    )
    assert answer.stderr.endswith(f"INFO mssvae.fitting.networks.loop [{job}]: epoch 1\n")
    assert (tmp_path / path).read_text() == answer.stderr

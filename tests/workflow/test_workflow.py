"""The workflow as its users run it: snakemake on the command line, in a folder of its own."""

import gzip
import json
import re
import subprocess
from dataclasses import asdict, fields

import pandas as pd
import pytest
import yaml
from workflows import MODEL, REPOSITORY, TOOLS, snakemake, write_config, write_own_files

from mssvae import enrichment, simulate
from mssvae.fitting.settings import PRESETS, FitSettings

SCHEMA = REPOSITORY / "workflow/schemas/config.schema.yaml"


class TestStyle:
    @pytest.mark.parametrize(
        "command",
        [
            ["ruff", "check", "."],
            ["ruff", "format", "--check", "."],
            ["snakefmt", "--check", "workflow", "Snakefile"],
            ["snakemake", "--lint"],
            ["snakemake", "--lint", "--configfile", "config/quick.yaml"],
        ],
        ids=" ".join,
    )
    def test_linters_have_nothing_to_say(self, command):
        tool, *arguments = command
        answer = subprocess.run(
            [TOOLS / tool, *arguments],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


class TestConfig:
    @pytest.mark.parametrize("name", ["config", "quick"])
    def test_shipped_configs_plan_every_figure_and_table(self, name):
        answer = snakemake("-n", "--forceall", "--configfile", f"config/{name}.yaml")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        for rule in (
            "figure_schematic",
            "figure_qc",
            "figure_processes",
            "fit_permuted",
            "figure_backgrounds",
            "fit_cohort",
            "fit_subsample",
            "stability",
            "fit_simulation",
            "figure_simulation",
            "figure_worst",
            "figure_unseen",
            "summary_of_all",
            "settings",
        ):
            assert rule in answer.stdout + answer.stderr

    def test_the_whole_cohort_plans_its_figures_and_tables(self):
        answer = snakemake("-n", "--forceall", "--configfile", "config/whole.yaml")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "results/whole/cohorts/whole/figures/specific_processes.pdf" in answer.stdout

    def test_factors_of_one_cohort_on_another_are_planned_where_they_are_asked_for(self, tmp_path):
        """Also in the default target, through the page of tables."""
        folder = tmp_path / "GSE158508"
        folder.mkdir()
        for name in ("counts", "samples"):
            (folder / f"{name}.csv.gz").touch()
        config = ("--configfile", "config/replication.yaml")
        answer = snakemake("-n", "--forceall", *config, MSSVAE_DATA=str(tmp_path))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", answer.stdout, re.MULTILINE))
        assert jobs["fit_cohort"] == "2"
        assert jobs["replication"] == "1"  # Of `ovarian`, which asks for it.

    def test_every_setting_of_a_fit_is_in_the_schema(self):
        schema = yaml.safe_load(SCHEMA.read_text())
        settings = {field.name for field in fields(FitSettings)}
        assert schema["$defs"]["fit"]["properties"].keys() == settings | {"preset"}

    def test_defaults_are_the_published_settings(self, tmp_path):
        """Table 2 and appendix C of the paper, without a word about them in the config."""
        schema = yaml.safe_load(SCHEMA.read_text())
        cohort = schema["$defs"]["cohort"]["properties"]
        defaults = {
            key: setting["default"]
            for part in (cohort["model"], cohort["qc"])
            for key, setting in part["properties"].items()
        } | asdict(PRESETS["paper"])
        assert defaults["batch_size"] == 512
        assert defaults["max_epochs"] == 800
        assert defaults["hidden"] == [256, 128]
        assert (defaults["n_shared"], defaults["n_specific"]) == (50, 10)
        assert (defaults["lr"], defaults["lr_mask"]) == (0.001, 0.01)
        assert defaults["lambda0"] == ((0, 1), (0.05, 10), (0.3, 15))
        assert (defaults["lambda1"], defaults["a"], defaults["b"]) == (0.1, 1, None)
        assert defaults["prior_scale"] is None
        assert defaults["min_log_library"] == 12.5
        assert cohort["n_genes"]["default"] == 5000
        assert cohort["gene_set_threshold"]["default"] == 0.5

    def plan(self, folder, *arguments, text=None, **cohort):
        """Plan a run of a cohort of one's own; return its exit code and all that was said."""
        config = write_config(folder, write_own_files(folder) | cohort)
        if text:
            config.write_text(text(config.read_text()))
        answer = snakemake("-n", *arguments, "--configfile", config, folder=folder)
        return answer.returncode, answer.stdout + answer.stderr

    def test_mistakes_end_the_run_before_any_rule(self, tmp_path):
        code, output = self.plan(tmp_path, n_gens=100, fit={"lr": -1})
        assert code != 0
        assert re.search(r"config\.yaml, line \d+: cohorts: mine: fit: lr: -1 is less", output)
        assert "n_gens: no such key: did you mean 'n_genes'?" in output
        assert "Traceback" not in output

    def test_a_key_twice_ends_the_run_also_in_the_first_of_two_files(self, tmp_path):
        first = tmp_path / "first.yaml"
        first.write_text("run: a\nrun: b\n")
        config = write_config(tmp_path, write_own_files(tmp_path))
        answer = snakemake("-n", "--configfile", first, config, folder=tmp_path)
        assert answer.returncode != 0
        assert "first.yaml, line 2: the key 'run' is there twice" in answer.stdout + answer.stderr

    def test_names_and_texts_are_what_is_written(self, tmp_path):
        """YAML takes names like these for numbers, and Snakemake braces for wildcards."""
        code, output = self.plan(
            tmp_path,
            text=lambda text: text.replace("mine:", "2020_01:").replace("run: test", "run: 1e3"),
            title="Cells {treated} {wildcards}",
            groups=["{a}", "b"],
            group_column="{0}",
        )
        assert code == 0, output
        assert "results/1e3/cohorts/2020_01/figures/specific_processes.pdf" in output

    def test_the_command_line_counts_more_than_the_file(self, tmp_path):
        cohort = "{mine: {n_genes: 40}, other: {title: Other, source: synthetic}}"
        code, output = self.plan(tmp_path, "--config", "run=other", f"cohorts={cohort}")
        assert code == 0, output
        assert "results/other/cohorts/mine/figures/qc.pdf" in output
        assert "results/other/cohorts/other/figures/qc.pdf" in output
        code, output = self.plan(tmp_path, "--config", "run=2020_01")
        assert "run: must be a text, not 202001: put it in quotes" in output

    def test_a_snakefile_that_includes_ours_may_change_the_config(self, tmp_path):
        snakefile = tmp_path / "own.smk"
        snakefile.write_text(
            f'config["run"] = "changed"\ninclude: "{REPOSITORY / "Snakefile"}"\n'
            'workflow.default_target = "all"\n'
        )
        code, output = self.plan(tmp_path, "--snakefile", snakefile)
        assert code == 0, output
        assert "results/changed/cohorts/mine/figures/qc.pdf" in output
        assert "results/test" not in output

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        code, output = self.plan(tmp_path, samples="none.tsv")
        assert code != 0
        assert "cohort_counts" in output
        assert "none.tsv" in output

    def test_files_may_be_in_folders_of_the_environment(self, tmp_path, monkeypatch):
        folder = tmp_path / "home"
        folder.mkdir()
        write_own_files(folder)
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("MY_DATA", str(folder))
        code, output = self.plan(tmp_path, counts="~/counts.tsv.gz", samples="$MY_DATA/samples.tsv")
        assert code == 0, output


class TestGeneNames:
    @pytest.fixture
    def symbols(self, tmp_path):
        """A cohort whose genes are called by symbols."""
        cohort = write_own_files(tmp_path)
        counts = pd.read_csv(tmp_path / "counts.tsv.gz", sep="\t", index_col=0)
        counts.index = [f"SYM{j}" for j in range(len(counts))]
        counts.to_csv(tmp_path / "counts.tsv.gz", sep="\t")
        return tmp_path, cohort

    def test_names_that_the_enrichment_cannot_know_are_told_where_counts_are_read(self, symbols):
        folder, cohort = symbols
        config = write_config(folder, cohort)
        target = "results/test/cohorts/mine/data/counts.h5ad"
        answer = snakemake(target, "--configfile", config, folder=folder)
        assert answer.returncode != 0
        log = (folder / "results/test/logs/mine/cohort_counts.log").read_text()
        assert "80 of 80 genes are not called by an Ensembl id of human genes" in log
        assert "80 symbols or other names: 'SYM0'" in log
        assert "enrichment: {engine: none}" in log

    def test_without_enrichment_everything_else_is_made_with_any_names(self, symbols):
        folder, cohort = symbols
        del cohort["evaluation"]
        config = write_config(folder, cohort | {"enrichment": {"engine": "none"}})
        answer = snakemake("--configfile", config, folder=folder)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        results = folder / "results/test"
        figures = {path.stem for path in (results / "cohorts/mine/figures").glob("*.pdf")}
        assert figures == {"qc", "convergence", "masks"}
        assert "SYM0" in (results / "explorer.html").read_text()
        tables = (results / "tables.html").read_text()
        assert "cohorts/mine/tables/factors.tsv" in tables
        assert "processes.tsv" not in tables
        answer = snakemake("--configfile", config, "--report", "report.html", folder=folder)
        assert answer.returncode == 0, answer.stdout + answer.stderr


class TestFailures:
    def run_to_failure(self, folder, cohort, target="fit/masks.tsv.gz", **environment):
        config = write_config(folder, cohort)
        target = f"results/test/cohorts/mine/{target}"
        answer = snakemake(target, "--configfile", config, folder=folder, **environment)
        assert answer.returncode != 0
        left = [p for p in (folder / "results").rglob("*") if p.name.startswith(".writing")]
        assert left == []
        return answer.stdout + answer.stderr

    def test_a_truncated_matrix_is_named_and_nothing_is_left(self, tmp_path):
        cohort = write_own_files(tmp_path)
        content = (tmp_path / "counts.tsv.gz").read_bytes()
        (tmp_path / "counts.tsv.gz").write_bytes(content[: len(content) // 2])
        assert "counts.tsv.gz" in self.run_to_failure(tmp_path, cohort)
        assert not list((tmp_path / "results").rglob("*.h5ad"))
        log = tmp_path / "results/test/logs/mine/cohort_counts.log"
        assert "InputError" in log.read_text()

    def test_more_genes_than_there_are(self, tmp_path):
        cohort = write_own_files(tmp_path) | {"n_genes": 5000}
        assert "5000" in self.run_to_failure(tmp_path, cohort)

    def test_a_group_that_is_not_in_the_data(self, tmp_path):
        cohort = write_own_files(tmp_path) | {"groups": ["1", "2", "relapse"]}
        assert "relapse" in self.run_to_failure(tmp_path, cohort)

    def test_cuda_that_is_not_there(self, tmp_path):
        cohort = write_own_files(tmp_path) | {"model": MODEL | {"device": "cuda"}}
        output = self.run_to_failure(tmp_path, cohort, CUDA_VISIBLE_DEVICES="")
        assert "'cuda' was asked for" in output

    def test_geo_that_cannot_be_reached_names_file_and_address(self, tmp_path):
        mapping = str(REPOSITORY / "config/groups/platelet.tsv")
        cohort = {
            "title": "Platelets",
            "source": "geo",
            "datasets": ["GSE68086"],
            "group_mapping": mapping,
        }
        proxy = "http://127.0.0.1:9"  # Nobody listens there.
        output = self.run_to_failure(
            tmp_path, cohort, MSSVAE_DATA=str(tmp_path), https_proxy=proxy, HTTPS_PROXY=proxy
        )
        assert "GSE68086_TEP_data_matrix.txt.gz" in output
        assert "https://ftp.ncbi.nlm.nih.gov/geo/" in output


class TestPlateletCohort:
    def test_quality_control_of_the_published_counts(self, data_folder, tmp_path):
        config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
        config["cohorts"]["platelet"]["group_mapping"] = str(
            REPOSITORY / "config/groups/platelet.tsv"
        )
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        tables = "results/paper/cohorts/platelet/tables"
        answer = snakemake(
            f"{tables}/genes.tsv.gz",
            "--configfile",
            tmp_path / "config.yaml",
            folder=tmp_path,
            MSSVAE_DATA=str(data_folder),
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        composition = pd.read_csv(tmp_path / tables / "composition.tsv", sep="\t", index_col=0)
        assert composition["samples_after_qc"].to_dict() == {
            "Healthy": 55,
            "Non Small Cell Lung Cancer": 60,
            "Glioblastoma": 40,
            "Other Cancer": 129,
            "Total": 284,
        }
        steps = pd.read_csv(tmp_path / tables / "qc_steps.tsv", sep="\t")
        assert steps.iloc[-1][["samples_left", "genes_left"]].tolist() == [284, 10081]
        with gzip.open(tmp_path / tables / "genes.tsv.gz", "rt") as stream:
            genes = pd.read_csv(stream, sep="\t")
        assert genes["selected"].sum() == 5000
        source = json.loads(
            (tmp_path / "results/paper/cohorts/platelet/data/source.json").read_text()
        )
        assert source["kind"] == "geo"

    def test_without_counts_a_synthetic_cohort_takes_their_place_until_they_come(
        self, data_folder, tmp_path, monkeypatch
    ):
        config = yaml.safe_load((REPOSITORY / "config/quick.yaml").read_text())
        platelet = config["cohorts"]["platelet"]
        platelet["group_mapping"] = str(REPOSITORY / "config/groups/platelet.tsv")
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        gene_sets = tmp_path / "resources/cache/GO/go_bp.gmt.gz"
        gene_sets.parent.mkdir(parents=True)
        processes = simulate.made_up_processes()
        processes["gene"] = processes["gene"].str.replace("made_up_gene_", "ENSG000000")
        enrichment.write_gmt(processes, gene_sets)
        cohort = tmp_path / "results/quick/cohorts/platelet"

        def run(target, **environment):
            target = f"results/quick/cohorts/platelet/{target}"
            proxy = "http://127.0.0.1:9"  # Nobody listens there.
            return snakemake(
                target,
                "--configfile",
                tmp_path / "config.yaml",
                folder=tmp_path,
                https_proxy=proxy,
                HTTPS_PROXY=proxy,
                **environment,
            )

        monkeypatch.delenv("MSSVAE_DATA")
        answer = run("data/source.json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert json.loads((cohort / "data/source.json").read_text())["kind"] == "synthetic"
        log = tmp_path / "results/quick/logs/platelet/cohort_counts.log"
        assert "SYNTHETIC" in log.read_text()

        answer = run("data/source.json", MSSVAE_DATA=str(data_folder))
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert json.loads((cohort / "data/source.json").read_text())["kind"] == "geo"
        config["seed"] = 2
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        answer = run("data/source.json")
        assert "Nothing to be done" in answer.stdout + answer.stderr

"""Config files as people write them: what they mean, and what is told before any rule runs."""

import re
from pathlib import Path

import pytest
import yaml

from mssvae import InputError
from mssvae.pipeline.configs import _KINDS, checked_config
from mssvae.pipeline.yaml_files import line_of, read_yaml

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY / "workflow/schemas/config.schema.yaml"
COHORT = """\
run: test
cohorts:
  mine:
    title: My cohort
    source: files
    counts: counts.tsv
    samples: samples.tsv
    n_genes: 20
    fit: {max_epochs: 2}
"""
SIMULATION = """\
run: test
simulations:
  replicates: {development: [1], reported: [2, 3]}
  settings:
    toy:
      title: Toy
      simulator: gaussian
      data: {n_samples: 40}
      model: {n_shared: 2, n_specific: 1, hidden: [4, 4]}
      methods: {paper: {preset: paper}}
      other_methods: [pca]
"""

STUDIES = """\
run: test
supervised:
  title: Toy
  counts: GSE68086
  design: {small: a}
  replicates: {development: [1], reported: [2, 3]}
assumptions:
  replicates: {development: [1], reported: [2, 3]}
talk:
  replicates: {development: [1], reported: [2, 3]}
  methods:
    vae: {title: VAE, model: vae, lr: 1e-2}
  data:
    cells:
      {title: C, address: a, path: $X/c, reader: zeisel, design: {n_factors: 1, hidden: [4, 4]}}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Read and check a config of this text."""
    monkeypatch.chdir(tmp_path)

    def checked(text):
        Path("config.yaml").write_text(text)
        return checked_config(read_yaml("config.yaml"), SCHEMA, ["config.yaml"])

    return checked


class TestFiles:
    @pytest.fixture
    def read(self, tmp_path):
        def read(content):
            path = tmp_path / "some.yaml"
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            return read_yaml(path)

        return read

    @pytest.mark.parametrize(
        "text",
        [
            "no",
            "on",
            "yes",
            "null",
            "~",
            "2020",
            "2020_01",
            "1e3",
            "0x10",
            "010",
            "1:30",
            "2020-01-01",
            "1.50",
            "=",
            ".nan",
            "true",
        ],
    )
    def test_keys_and_values_are_what_is_written(self, text, read):
        assert read(f"{text}: {text}\nlist: [{text}]") == {text: text, "list": [text]}

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("a: 1\nb: 2\na: 3\n", (3, 1)),
            ("top:\n  a: 1\n  'a': 2\n", (3, 2)),
            ("top: [{b: 1, a: 1, a: 2}]\n", (1, 1)),
            ("2020: 1\nx: {}\n2020: 2\n", (3, 1)),
        ],
    )
    def test_a_key_twice_is_an_error_at_any_level(self, text, lines, read):
        key = "2020" if "2020" in text else "a"
        there, first = lines
        message = (
            rf"some\.yaml, line {there}: the key '{key}' is there twice, .* line {first}: keep"
        )
        with pytest.raises(InputError, match=message):
            read(text)

    def test_keys_taken_over_from_an_alias_may_be_changed(self, read):
        content = read("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: *x}\n")
        assert content["y"] == {"a": "1", "b": "3"}
        assert content["z"] == content["x"]

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            ("a:\n\tb: 1\n", "line 2.*blanks, not with tabs"),
            ("", "no keys"),
            ("# nothing\n", "no keys"),
            ("- a\n- b\n", "no keys"),
            ("a: [1\n", "line 2"),
            ("a: 1\n---\nb: 2\n", "single document"),
            (b"a: caf\xe9\n", "no YAML"),
            ("'a ': 1\n", "line 1: the key 'a ' has blanks around it"),
            ("? [a]\n: 1\n", "line 1: a key must be a text"),
        ],
    )
    def test_what_is_no_yaml_is_named(self, content, named, read):
        with pytest.raises(InputError, match=rf"some\.yaml.*{named}"):
            read(content)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match=r"none\.yaml cannot be read: No such file"):
            read_yaml(tmp_path / "none.yaml")

    def test_lines_of_keys(self, tmp_path):
        path = tmp_path / "some.yaml"
        path.write_text(COHORT)
        assert line_of(path, ["cohorts", "mine", "fit", "max_epochs"]) == 9
        assert line_of(path, ["cohorts", "yours"]) is None


class TestTypes:
    @pytest.mark.parametrize(
        "name",
        ["no", "on", "yes", "null", "2020", "2020_01", "1e3", "0x10", "010", "2020-01-01", "true"],
    )
    def test_names_stay_what_they_are(self, name, config):
        text = COHORT.replace("mine", name).replace("My cohort", name)
        text += f"    groups: [{name}, 1.50]\n"
        (cohort,) = config(text.replace("test", name))["cohorts"].items()
        assert cohort[0] == cohort[1]["title"] == name
        assert cohort[1]["groups"] == [name, "1.50"]

    @pytest.mark.parametrize(
        ("written", "number"),
        [
            *(("1e-3", 0.001), ("'1e-3'", 0.001), ("1E-3", 0.001), (".5", 0.5), ("1.", 1.0)),
            *(("+2", 2), ("1e3", 1000.0), ("0.1", 0.1), ("3", 3)),
        ],
    )
    def test_a_number_is_one_however_it_is_written(self, written, number, config):
        fit = config(COHORT.replace("max_epochs: 2", f"lr: {written}"))["cohorts"]["mine"]["fit"]
        assert fit["lr"] == number
        assert type(fit["lr"]) is type(number)

    @pytest.mark.parametrize("written", ["100", "1e2", "100.0"])
    def test_a_whole_number_is_one_however_it_is_written(self, written, config):
        n_genes = config(COHORT.replace("20", written))["cohorts"]["mine"]["n_genes"]
        assert n_genes == 100
        assert type(n_genes) is int

    @pytest.mark.parametrize(
        "written",
        [
            "010",
            "0x10",
            "1_000",
            "1,000",
            "1:30",
            "20.5",
            "yes",
            "true",
            ".nan",
            ".inf",
            "1e400",
            "many",
            "[20]",
            "{a:1}",
            "~",
            "",
        ],
    )
    def test_what_is_no_whole_number_is_an_error(self, written, config):
        with pytest.raises(InputError, match=r"config\.yaml, line 8: cohorts: mine: n_genes: must"):
            config(COHORT.replace("n_genes: 20", f"n_genes: {written}"))

    @pytest.mark.parametrize(("written", "meant"), [("true", True), ("false", False)])
    def test_what_is_either_or_is_written_so(self, written, meant, config):
        text = COHORT.replace("max_epochs: 2", f"standardise: {written}")
        assert config(text)["cohorts"]["mine"]["fit"]["standardise"] is meant

    @pytest.mark.parametrize("written", ["no", "0", "False"])
    def test_what_is_neither_is_told(self, written, config):
        with pytest.raises(InputError, match="standardise: must be true or false, not"):
            config(COHORT.replace("max_epochs: 2", f"standardise: {written}"))

    def test_every_type_of_the_schema_has_words(self):
        types = re.findall(r"^ *type: (.+)$", SCHEMA.read_text(), re.M)
        assert set(re.findall(r"\w+", " ".join(types))) <= _KINDS.keys()

    @pytest.mark.parametrize("written", ["null", "~", ""])
    def test_null_is_none_where_there_may_be_none(self, written, config):
        fit = config(COHORT.replace("max_epochs: 2", f"patience: {written}"))["cohorts"]["mine"]
        assert fit["fit"]["patience"] is None

    @pytest.mark.parametrize(("written", "number"), [("auto", "auto"), ("12", 12)])
    def test_numbers_of_factors_may_be_chosen(self, written, number, config):
        text = COHORT + f"    model: {{n_shared: {written}}}\n"
        assert config(text)["cohorts"]["mine"]["model"]["n_shared"] == number
        with pytest.raises(InputError, match="n_shared: 'many' must be a whole number, or auto"):
            config(text.replace(written, "many"))

    def test_evaluation_is_left_out_unless_it_is_asked_for(self, config):
        assert "evaluation" not in config(COHORT)["cohorts"]["mine"]
        asked = config(COHORT + "    evaluation: {weights: [2]}\n")["cohorts"]["mine"]
        assert asked["evaluation"] == {"weights": [2], "peers": [5, 15], "share": 0.2}

    def test_replication_is_of_another_cohort(self, config):
        assert "replication" not in config(COHORT)["cohorts"]["mine"]
        text = COHORT + "    replication: {of: other}\n"
        with pytest.raises(InputError, match=r"line 10: .*the config has no other cohort 'other'"):
            config(text)
        with pytest.raises(InputError, match=r"mine: replication: of: .* no other cohort 'mine'"):
            config(text.replace("other", "mine"))
        both = config(text + "  other: {title: Other, source: synthetic}\n")
        assert both["cohorts"]["mine"]["replication"] == {"of": "other"}

    def test_variables_in_paths_must_be_set(self, config, monkeypatch):
        text = COHORT.replace("counts.tsv", "$MY_DATA/counts.tsv")
        monkeypatch.setenv("MY_DATA", "somewhere")
        assert config(text)["cohorts"]["mine"]["counts"] == "$MY_DATA/counts.tsv"
        monkeypatch.delenv("MY_DATA")
        with pytest.raises(InputError, match=r"line 6: .*counts: .*variable MY_DATA is not set"):
            config(text)

    def test_lists_of_simulations_are_numbers(self, config):
        text = SIMULATION.replace("n_samples: 40", "n_samples: [4e1, 30], layout: blocks")
        data = config(text)["simulations"]["settings"]["toy"]["data"]
        assert data == {"n_samples": [40, 30], "layout": "blocks"}

    @pytest.mark.parametrize(
        "name", ["config", "quick", "whole", "replication", "compare", "talk", "supervised"]
    )
    def test_our_configs_mean_what_yaml_says(self, name, monkeypatch):
        """They have neither names nor numbers that YAML takes for something else."""
        monkeypatch.setenv("MSSVAE_DATA", "data")
        path = REPOSITORY / "config" / f"{name}.yaml"
        plain = yaml.safe_load(path.read_text())
        assert checked_config(read_yaml(path), SCHEMA) == checked_config(plain, SCHEMA)

    def test_numbers_of_another_source_that_should_be_texts_are_told(self):
        """As from --config on the command line."""
        with pytest.raises(InputError, match="run: must be a text, not 2020: put it in quotes"):
            checked_config({"run": 2020}, SCHEMA)
        with pytest.raises(InputError, match="seed: must be a whole number, not 'nan'"):
            checked_config({"run": "a", "seed": float("nan")}, SCHEMA)
        with pytest.raises(InputError, match="the key 2020, which is no text"):
            checked_config({"run": "a", "cohorts": {2020: {}}}, SCHEMA)


class TestMistakes:
    @pytest.mark.parametrize("name", ["a/b", ".", "..", "'a b'", "é", "1:30", "~", "-a", "a" * 101])
    def test_names_that_are_no_file_names(self, name, config):
        with pytest.raises(InputError, match=r"line 3: cohorts: .*must be up to 100 letters"):
            config(COHORT.replace("mine", name))
        with pytest.raises(InputError, match=r"line 1: run: .*must be up to 100 letters"):
            config(COHORT.replace("test", name))
        with pytest.raises(InputError, match=r"line 5: simulations: settings: "):
            config(SIMULATION.replace("toy", name))
        with pytest.raises(InputError, match=r"line 10: simulations: settings: toy: methods: "):
            config(SIMULATION.replace("{paper:", "{" + f"{name}:"))

    def test_names_that_differ_by_capitals_alone(self, config):
        with pytest.raises(InputError, match="cohorts: 'Mine' and 'mine' would be one folder"):
            config(COHORT.replace("  mine:", "  Mine: {title: a, source: synthetic}\n  mine:"))
        with pytest.raises(InputError, match="'paper' and 'Paper' would be one folder"):
            config(SIMULATION.replace("pca", "Paper"))
        with pytest.raises(InputError, match="'truth' and 'Truth' would be one folder"):
            config(SIMULATION.replace("pca", "Truth"))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("n_genes", "n_gens", "line 8: cohorts: mine: n_gens: no such key: .* 'n_genes'"),
            ("max_epochs", "max_epoch", "fit: max_epoch: no such key: did you mean 'max_epochs'"),
            ("source: files", "source: file", "source: 'file' is none .* did you mean 'files'"),
            ("title: My cohort\n    ", "", "line 3: cohorts: mine: the key 'title' is missing"),
            ("title: My cohort", "title: [a, b]", r"line 4: .*title: must be a text, not \['a'"),
            ("title: My cohort", "title:", "line 4: .*title: '' should be non-empty"),
            ("{max_epochs: 2}", "paper", "line 9: .*fit: must be keys with values.*not 'paper'"),
            ("max_epochs: 2", "lr: -1e-3", "lr: -0.001 is less than"),
            ("max_epochs: 2", "lambda0: [[0.1, 1]]", "lambda0: must be a list of .*from 0"),
            ("max_epochs: 2", "lambda0: [[0, 1], [0.5, 0]]", "lambda0: .*rates above 0"),
            ("counts.tsv", "'{run}.tsv'", "line 6: .*counts: '{run}.tsv' must .*without braces"),
            ("source: files", "source: geo", "line 6: .*counts: is no key for another source"),
            ("n_genes: 20", "groups: well", "groups: must be a list in brackets"),
            ("cohorts:", "cohort:", "line 2: cohort: no such key: did you mean 'cohorts'"),
        ],
    )
    def test_mistakes_are_named_with_file_line_and_key(self, old, new, message, config):
        with pytest.raises(InputError, match=rf"config\.yaml, {message}|config\.yaml.*{message}"):
            config(COHORT.replace(old, new, 1))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("gaussian", "poisson", "simulator: 'poisson' is none of the choices"),
            ("n_samples", "n_sample", "data: n_sample: no such key: did you mean 'n_samples'"),
            ("n_samples: 40", "stray: 0.1", "data: stray: is no key for the simulator gaussian"),
            ("n_samples: 40", "n_genes: 9", "data: n_genes: is no key for simulators but cohort"),
            ("title", "n_genes: 9\n      title", "n_genes: is no key for simulators but cohort"),
            ("gaussian", "cohort", "the key 'n_genes' is missing: so many genes are selected"),
            (
                "gaussian",
                "cohort\n      n_genes: 9",
                "data: n_samples: is no key for the simulator cohort",
            ),
            ("n_samples: 40", "n_samples: few", "n_samples: must be a whole number or a list"),
            (", hidden: [4, 4]", "", "model: the key 'hidden' is missing"),
            ("hidden: [4, 4]", "likelihood: gaussian", "model: likelihood: no such key"),
            ("preset: paper", "max_epoch: 3", "paper: max_epoch: no such key"),
            ("{paper: {preset: paper}}", "{}", "methods: {} should be non-empty"),
            ("title", "max_column_share: 25\n      title", "max_column_share: 25 is greater than"),
            ("[1]", "[1, 3]", r"replicates: \[3\] are both development and reported"),
            ("title", "n_reported: 3\n      title", "n_reported: is 3, but there are 2 reported"),
            ("[pca]", "[paper]", r"\['paper'\] are under methods and under other_methods"),
        ],
    )
    def test_mistakes_in_simulations_are_named(self, old, new, message, config):
        config(SIMULATION)
        with pytest.raises(InputError, match=rf"config\.yaml, line \d+: simulations: .*{message}"):
            config(SIMULATION.replace(old, new, 1))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("model: vae", "model: gan", "talk: methods: vae: model: 'gan' is none of the choices"),
            ("lr: 1e-2", "lr: 0", "talk: methods: vae: lr: 0 is less than"),
            ("title: VAE, ", "", "talk: methods: vae: the key 'title' is missing"),
            ("lr: 1e-2", "rate: 1", "talk: methods: vae: rate: no such key"),
            (
                "    vae:",
                "    VAE: {title: a, model: vae, lr: 1}\n    vae:",
                "'VAE' and 'vae' would",
            ),
            ("  methods", "  design: {correlations: [2]}\n  methods", "correlations: 0: 2 is gre"),
            ("zeisel", "seurat", "talk: data: cells: reader: 'seurat' is none of the choices"),
            ("reader", "md5: abc, reader", "data: cells: md5: 'abc' must be 32 digits"),
            (
                "reader",
                "settings: {vaes: {lr: 1}}, reader",
                "cells: settings: the talk has no method 'vaes': did you mean 'vae'",
            ),
            ("small: a", "folds: 3", "supervised: design: the key 'small' is missing"),
            ("small: a", "small: a, kept: 4", "supervised: design: kept: 4 is less than"),
            ("small: a", "small: a, fold: 3", "supervised: design: fold: no such key: .* 'folds'"),
            ("[1], reported: [2, 3]}\na", "[2], reported: [2, 3]}\na", r"supervised: .*\[2\] are"),
            ("[1], reported: [2, 3]}\nt", "[3], reported: [2, 3]}\nt", r"assumptions: .*\[3\] are"),
            ("[1], reported: [2, 3]}\n  m", "[2], reported: [2, 3]}\n  m", r"talk: .*: \[2\] are"),
        ],
    )
    def test_mistakes_in_studies_of_the_method_are_named(self, old, new, message, config):
        assert config(STUDIES)["talk"]["methods"]["vae"]["lr"] == 0.01
        with pytest.raises(InputError, match=message):
            config(STUDIES.replace(old, new, 1))

    def test_something_to_analyse_is_asked_for(self, config):
        with pytest.raises(InputError, match="'simulations' is missing: a run has cohorts, sim"):
            config("run: test\n")

    def test_all_mistakes_are_told_at_once(self, config):
        with pytest.raises(InputError) as told:
            config(COHORT.replace("20", "many").replace("max_epochs", "epochs"))
        assert re.findall(r"line \d", str(told.value)) == ["line 8", "line 9"]

    def test_a_mistake_is_in_the_last_file_that_has_the_key(self, tmp_path):
        (tmp_path / "a.yaml").write_text(COHORT)
        (tmp_path / "b.yaml").write_text("cohorts:\n  mine:\n    n_genes: many\n")
        config = read_yaml(tmp_path / "a.yaml")
        config["cohorts"]["mine"]["n_genes"] = "many"
        with pytest.raises(InputError, match=r"b\.yaml, line 3: cohorts: mine: n_genes: must"):
            checked_config(config, SCHEMA, [tmp_path / "a.yaml", tmp_path / "b.yaml"])

"""The comparison: methods, limits, measures, and data as they are read."""

import inspect
import json
import multiprocessing
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from mssvae import simulate
from mssvae.data.matrices import dense
from mssvae.errors import InputError
from mssvae.replicates import truth
from studies.comparison import data, measures
from studies.comparison.fitting import Fit, Limits, _write, main, part, run, within
from studies.comparison.interface import Fitted, Problem, Unsuitable, method
from studies.comparison.methods.contrastive_vi import effects
from studies.comparison.methods.spectra import suitable

REPOSITORY = Path(__file__).parents[2]
CONFIGS = [
    yaml.safe_load((REPOSITORY / f"config/{name}.yaml").read_text())["comparison"]
    for name in ("compare", "quick")
]
ABOUT = {
    f"{i}/{name}": about for i, c in enumerate(CONFIGS) for name, about in c["methods"].items()
}
OWN = ("mssvae", "study_means", "nmf", "factor_analysis", "sparse_pca", "co_clustering")
PEERS = ("mofa", "mofaflex", "muvi", "cnmf", "linear_scvi", "drvi", "contrastive_vi", "glm_pca")
SMALL = {"n_features": 60, "n_studies": 2, "n_shared": 3, "n_specific": [1, 1]}
COUNTS = Problem("negative_binomial", n_factors=5, n_shared=6, n_specific=2, seed=3)
GAUSSIAN = Problem("gaussian", n_factors=5, n_shared=6, n_specific=2, seed=3)
LIMITS = Limits(seconds=300, memory=8000)


@pytest.fixture(scope="module")
def counts():
    return data.simulated_rna(1, n_samples=60, **SMALL)


@pytest.fixture(scope="module")
def gaussian():
    return data.simulated_gaussian(1, n_samples=60, nonlinear_every=10**6, **SMALL)


class TestMethods:
    @pytest.mark.parametrize("name", ABOUT)
    def test_those_of_the_configs_exist_and_take_their_settings(self, name):
        fit = method(ABOUT[name]["file"]).fit
        inspect.signature(fit).bind("adata", "problem", **ABOUT[name].get("settings", {}))

    @pytest.mark.parametrize("name", OWN)
    @pytest.mark.parametrize("kind", ["counts", "gaussian"])
    def test_each_gives_loadings_factors_and_expected_values(self, name, kind, request):
        adata = request.getfixturevalue(kind)
        problem = COUNTS if kind == "counts" else GAUSSIAN
        settings = {"decoder": "linear"} if name == "mssvae" else {}
        if name == "nmf" and kind == "gaussian":
            with pytest.raises(Unsuitable, match="not negative"):
                method(name).fit(adata, problem)
            return
        found = method(name).fit(adata, problem, **settings)
        assert found.loadings.index.equals(adata.var_names)
        assert found.factors.index.equals(adata.obs_names)
        assert found.loadings.columns.equals(found.factors.columns)
        assert np.isfinite(found.loadings.to_numpy()).all()
        assert np.isfinite(found.factors.to_numpy()).all()
        expected = found.predict(adata[:7], observed=adata.var_names[::2].tolist())
        assert expected.shape == (7, adata.n_vars)
        assert np.isfinite(expected.to_numpy()).all()

    def test_ours_names_the_studies_of_its_factors_and_those_that_are_in_use(self, gaussian):
        found = method("mssvae").fit(gaussian, GAUSSIAN, decoder="linear")
        assert set(found.kinds["kind"]) == {"shared", "specific"}
        assert set(found.studies.values()) == {"study_1", "study_2"}
        assert (found.loadings != 0).any().all()
        assert len(found.loadings.columns) < 6 + 2 * 2

    @pytest.mark.parametrize("name", ["factor_analysis", "sparse_pca"])
    def test_linear_ones_find_linear_factors(self, name, gaussian):
        found = method(name).fit(gaussian, GAUSSIAN)
        true = truth(gaussian)
        correlation = np.corrcoef(found.loadings.T, true.masks.T)[:5, 5:]
        assert (abs(correlation).max(0) > 0.9).all()

    def test_a_method_that_is_none_is_named(self):
        with pytest.raises(InputError, match="no method 'nothing': add studies/comparison/methods"):
            method("nothing")

    @pytest.fixture
    def gene_sets(self, counts, tmp_path):
        """A file with three sets of 20 of the data's genes."""
        lines = [
            "\t".join([f"set {i}", "", *counts.var_names[20 * i : 20 * i + 20]]) for i in range(3)
        ]
        (tmp_path / "sets.gmt").write_text("\n".join(lines))
        return str(tmp_path / "sets.gmt")

    @pytest.mark.parametrize(
        ("name", "environment"), [*((name, "peers") for name in PEERS), ("spectra", "spectra")]
    )
    def test_those_of_others_run_in_their_environment(
        self, name, environment, counts, gene_sets, tmp_path, request
    ):
        python = request.getfixturevalue(environment)
        counts.write_h5ad(tmp_path / "data.h5ad")
        settings = {
            "cnmf": {"n_iter": 4},
            "contrastive_vi": {"max_epochs": 2, "background": "study_1"},
            "drvi": {"max_epochs": 2},
            "linear_scvi": {"max_epochs": 2},
            "mofaflex": {"max_epochs": 20},
            "muvi": {"n_epochs": 20},
            "spectra": {"num_epochs": 20, "gene_sets": gene_sets},
        }.get(name, {})
        problem = replace(COUNTS, n_factors=7)
        made = Fit(
            str(tmp_path / "data.h5ad"), "all", name, settings, problem, str(tmp_path / "all")
        )
        (about,) = run([made], LIMITS, python)
        assert about["fitted"], (tmp_path / "log.txt").read_text()
        assert about["version"].split()[0] == method(name).PACKAGE
        found = measures.Found.read(tmp_path / "all")
        assert found.loadings.shape[0] == counts.n_vars
        assert np.isfinite(found.loadings.to_numpy()).all()
        assert np.isfinite(found.factors.to_numpy()).all()
        if name in ("contrastive_vi", "spectra"):  # Factors of a study are zero in others.
            own = found.kinds.loc[found.kinds["study"] == "study_2", "factor"]
            assert len(own) == 2
            elsewhere = (counts.obs["group"] != "study_2").to_numpy()
            assert (found.factors.loc[elsewhere, own] == 0).all(axis=None)
            assert (found.factors.loc[~elsewhere, own] != 0).all(axis=None)
        table = measures.measures(tmp_path, counts).set_index("measure")["value"]
        assert table["best_consensus"] >= table["consensus"]

    @pytest.mark.parametrize(
        ("name", "changes", "settings", "told"),
        [
            ("contrastive_vi", {"likelihood": "gaussian"}, {}, "needs counts"),
            ("contrastive_vi", {}, {}, "two studies, one of them the background"),
            ("spectra", {}, {}, "needs gene sets"),
            ("spectra", {"likelihood": "gaussian"}, {"gene_sets": "a.gmt"}, "needs counts"),
            ("spectra", {"n_factors": 5}, {"gene_sets": "a.gmt"}, "5 factors are too few for 2"),
        ],
    )
    def test_those_of_others_say_what_data_they_are_not_for(
        self, name, changes, settings, told, counts
    ):
        with pytest.raises(Unsuitable, match=told):
            method(name).fit(counts, replace(COUNTS, **changes), **settings)

    def test_a_background_is_of_one_other_study(self, counts):
        counts = counts.copy()
        counts.obs["group"] = ["a", "b", "c"] * 40
        with pytest.raises(Unsuitable, match="needs two studies"):
            method("contrastive_vi").fit(counts, COUNTS, background="a")

    def test_effects_of_linear_factors_are_their_loadings(self):
        """In standard deviations of the samples that have the factor."""
        rng = np.random.default_rng(0)
        loadings, z = rng.normal(size=(6, 3)), rng.normal(size=(50, 3))
        z[:20, 2] = 0
        spread = [z[:, 0].std(), z[:, 1].std(), z[20:, 2].std()]
        found = effects(lambda z: z @ torch.as_tensor(loadings.T), z)
        np.testing.assert_allclose(found, abs(loadings) * spread)

    def test_effects_of_a_square_do_not_cancel(self):
        z = np.array([[-1.0], [1.0]])
        np.testing.assert_allclose(effects(lambda z: z.square(), z), [[2.0]])

    def test_gene_sets_have_enough_genes_of_the_data_and_differ(self):
        genes = pd.Index([f"gene {i}" for i in range(200)])
        sets = {
            "few": genes[:19],
            "fit": genes[:20],
            "like fit": genes[:20].insert(0, "gene of no data"),
            "more": genes[50:150],
            "many": genes[:101],
        }
        table = pd.concat(pd.DataFrame({"ID": name, "gene": of}) for name, of in sets.items())
        assert {name: set(of) for name, of in suitable(table, genes).items()} == {
            "fit": set(genes[:20]),
            "more": set(genes[50:150]),
        }


class TestLimits:
    @pytest.fixture
    def make(self, counts, tmp_path):
        counts.write_h5ad(tmp_path / "data.h5ad")

        def make(name="all", file="factor_analysis", **settings):
            path = str(tmp_path / "data.h5ad")
            return Fit(path, name, file, settings, COUNTS, str(tmp_path / "fits" / name))

        return make

    def test_a_fit_leaves_tables_and_what_it_took(self, make):
        made = make()
        (about,) = run([made], LIMITS)
        assert (about["fitted"], about["note"]) == (True, None)
        assert about["version"].startswith("scikit-learn ")
        assert about["seconds"] > 0
        assert 100 < about["peak_memory_mib"] < 8000
        assert measures.Found.read(Path(made.output)).loadings.shape == (60, 5)

    def test_out_of_time(self, make):
        told = run([make()], Limits(seconds=0.01, memory=8000))
        assert told == [{"fitted": False, "note": "out of time: more than 0.01 s"}]

    def test_out_of_memory(self, make):
        told = run([make()], Limits(seconds=300, memory=5))
        assert told == [{"fitted": False, "note": "out of memory: more than 5 MiB"}]

    def test_what_fails_is_told_and_not_tried_again(self, make):
        made = [make("all", no_such_setting=1), make("seed")]
        (about,) = run(made, LIMITS)
        assert not about["fitted"]
        assert about["note"].startswith("failed: TypeError")
        assert "no_such_setting" in (Path(made[0].output).parent / "log.txt").read_text()
        assert not Path(made[1].output).exists()

    def test_scores_of_samples_that_are_not_seen(self, make):
        (about,) = run([make("seen", "study_means")], LIMITS)
        assert about["score"] < 0

    def test_a_method_without_predictions_is_not_fitted_for_a_score(
        self, make, counts, tmp_path, monkeypatch
    ):
        def fit(adata, problem):
            with open(tmp_path / "calls", "a") as calls:
                calls.write("a fit\n")
            table = pd.DataFrame({"f": 1.0}, counts.var_names)
            return Fitted(table, pd.DataFrame({"f": 1.0}, counts.obs_names))

        stub = SimpleNamespace(PACKAGE="numpy", fit=fit)
        monkeypatch.setattr("studies.comparison.fitting.method", lambda name: stub)
        made = [asdict(make("all")), asdict(make("seen"))]
        asked = json.dumps({"fits": made, "limits": asdict(LIMITS)})
        monkeypatch.setattr("sys.stdin", StringIO(asked))
        main()
        assert (tmp_path / "calls").read_text() == "a fit\n"
        told = json.loads((tmp_path / "fits/seen/about.json").read_text())
        assert (told["fitted"], told["score"]) == (True, None)

    def test_a_fit_ends_with_whoever_asked_for_it(self, make, monkeypatch):
        """As when Snakemake ends a job: the worker then has another parent."""
        made = make(file="sparse_pca", max_iter=10**6)
        parents = iter([1])
        monkeypatch.setattr("os.getppid", lambda: next(parents, 2))
        with pytest.raises(SystemExit, match="has ended"):
            within(made, LIMITS)
        assert not multiprocessing.active_children()
        assert not Path(made.output).exists()

    def test_a_python_without_the_library_is_told(self, make):
        told = run([make()], LIMITS, "false")
        assert told == [{"fitted": False, "note": "failed: Python ended with 1"}]

    def test_halves_have_no_sample_in_common_and_the_same_features(self, counts):
        one, two = (part(counts, name, 1) for name in ("half_1", "half_2"))
        assert not set(one.obs_names) & set(two.obs_names)
        assert one.n_obs + two.n_obs == counts.n_obs
        assert one.var_names.equals(two.var_names)
        assert one.obs["group"].value_counts().eq(30).all()


class TestMeasures:
    def write(self, folder, name, found, **about):
        folder = folder / name
        folder.mkdir(parents=True)
        about = {"fitted": True, "note": None, "version": "some 1.0", **about}
        (folder / "about.json").write_text(json.dumps(about))
        if found is not None:
            _write(found, folder)

    @pytest.fixture
    def true(self, gaussian):
        """The truth as a method that knows it would tell."""
        found = truth(gaussian)
        own = found.factors.dropna().set_index("factor")["study"].to_dict()
        return Fitted(found.masks, found.latent.fillna(0.0), own)

    def values(self, folder, adata):
        table = measures.measures(folder, adata)
        return table.set_index("measure")["value"], table.set_index("measure")["note"]

    def test_the_truth_scores_one(self, true, gaussian, tmp_path):
        took = {"seconds": 2.0, "peak_memory_mib": 300.0}
        self.write(tmp_path, "all", true, **took)
        self.write(tmp_path, "seed", true)
        values, _ = self.values(tmp_path, gaussian)
        ones = ["recovery", "relevance", "consensus", "best_consensus", "agreement_seeds"]
        assert (values[[*ones, "consensus_shared", "consensus_specific"]] == 1).all()
        assert values["disentanglement"] > 0.95
        assert (values["n_factors"], values["seconds"]) == (5, 2)
        assert values["entries"] == (true.loadings != 0).to_numpy().sum()
        assert "unseen" not in values

    def test_the_best_threshold_finds_what_small_loadings_hide(self, true, gaussian, tmp_path):
        noise = np.random.default_rng(0).uniform(0.01, 0.4, true.loadings.shape)
        dense = Fitted(true.loadings + noise, true.factors)
        self.write(tmp_path, "all", dense, seconds=1.0, peak_memory_mib=1.0)
        values, _ = self.values(tmp_path, gaussian)
        assert values["consensus"] < 0.5
        assert values["best_consensus"] == 1
        assert "consensus_shared" not in values  # It does not say which study a factor is of.

    def test_a_method_that_calls_all_factors_shared_has_missed_those_of_studies(
        self, true, gaussian, tmp_path
    ):
        shared = Fitted(true.loadings, true.factors, {})
        self.write(tmp_path, "all", shared, seconds=1.0, peak_memory_mib=1.0)
        values, _ = self.values(tmp_path, gaussian)
        assert 0 < values["consensus_shared"] < 1
        assert values["consensus_specific"] == 0

    def test_agreement_is_of_the_largest_loadings(self, true, gaussian, tmp_path):
        self.write(tmp_path, "all", true, seconds=1.0, peak_memory_mib=1.0)
        rng = np.random.default_rng(1)
        for name in ("half_1", "half_2"):
            loadings = pd.DataFrame(
                rng.normal(size=(60, 5)), gaussian.var_names, true.loadings.columns
            )
            self.write(tmp_path, name, Fitted(loadings, true.factors))
        values, _ = self.values(tmp_path, gaussian)
        assert values["agreement_halves"] < 0.4  # All entries of all columns are not zero.

    def test_what_is_missing_has_a_note(self, true, gaussian, tmp_path):
        self.write(tmp_path, "all", true, seconds=1.0, peak_memory_mib=1.0)
        self.write(tmp_path, "seen", None, score=None)
        self.write(tmp_path, "half_1", true)
        self.write(tmp_path, "half_2", None, fitted=False, note="out of time: more than 1 s")
        values, notes = self.values(tmp_path, gaussian)
        assert np.isnan(values["unseen"])
        assert notes["unseen"] == "does not predict"
        assert np.isnan(values["agreement_halves"])
        assert notes["agreement_halves"] == "out of time: more than 1 s"

    def test_known_processes_and_labels(self, true, gaussian, tmp_path):
        """Those of the studies' own factors, where a method says which study a factor is of."""
        adata = gaussian.copy()
        genes = pd.DataFrame({"gene": adata.var_names, "mean": 1.0, "selected": True})
        adata.uns["genes"], adata.uns["own_processes"] = genes, {"study_1": "GO:1"}
        own = true.loadings.columns[true.kinds["study"] == "study_1"]
        members = adata.var_names[(true.loadings[own] != 0).any(axis=1)]
        annotation = pd.DataFrame({"ID": "GO:1", "Description": "own", "gene": members})
        self.write(tmp_path, "all", true, seconds=1.0, peak_memory_mib=1.0)
        table = measures.measures(tmp_path, adata, annotation=annotation).set_index("measure")
        assert table.loc["specific_right", "value"] == 1
        assert "processes" in table.index
        assert "processes" not in self.values(tmp_path, adata)[0]
        silent = Fitted(true.loadings, true.factors)
        self.write(tmp_path / "other", "all", silent, seconds=1.0, peak_memory_mib=1.0)
        table = measures.measures(tmp_path / "other", adata, annotation=annotation)
        (note,) = table.loc[table["measure"] == "specific_right", "note"]
        assert note == "does not say which study a factor is of"

    def test_a_method_without_a_result_is_a_row(self, gaussian, tmp_path):
        self.write(tmp_path, "all", None, fitted=False, note="failed: it did")
        table = measures.measures(tmp_path, gaussian)
        assert table[["measure", "value", "note"]].to_numpy().tolist() == [
            ["fitted", 0, "failed: it did"]
        ]

    def test_labels_come_from_factors_or_are_guessed(self):
        rng = np.random.default_rng(0)
        label = pd.Series(["a", "b", "c", None] * 50 + ["rare"])
        codes = pd.Categorical(label).codes
        factors = np.stack([codes == code for code in range(3)], 1) + 0.1 * rng.normal(
            size=(201, 3)
        )
        assert measures.label_accuracy(factors, label) == 1
        assert measures.label_accuracy(factors[:, :0], label) == pytest.approx(1 / 3)


class TestData:
    def test_real_values_are_standardised(self, gaussian):
        np.testing.assert_allclose(gaussian.X.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(gaussian.X.std(0), 1, rtol=1e-6)

    def test_simulated_data_are_those_of_their_seed(self, counts):
        again = simulate.rnaseq(n_samples=60, **SMALL, seed=1)
        assert np.array_equal(dense(counts.X), dense(again.X))

    @pytest.mark.parametrize(
        ("name", "shape", "studies", "labels"),
        [
            ("starmap", (3674, 158), 3, 15),
            ("kang", (1556, 1267), 2, 5),
            ("ovarian", (425, 63), 2, 0),
            ("gfrn", (89, 1600), 3, 10),
            ("platelets", (284, 2000), 4, 0),
            ("two_platelets", (428, 2000), 2, 0),
        ],
    )
    def test_real_data_as_the_config_names_them(self, name, shape, studies, labels, data_folder):
        about = CONFIGS[0]["data"][name]
        arguments = {
            key: value.replace("$MSSVAE_DATA", str(data_folder))
            if isinstance(value, str)
            else value
            for key, value in about["arguments"].items()
        }
        adata = data.READERS[about["reader"]](**arguments)
        assert adata.shape == shape
        assert adata.obs["group"].nunique() == studies
        if labels:
            assert adata.obs["label"].nunique() == labels
        else:
            assert "label" not in adata.obs
        whole = np.array_equal(adata.X, np.round(adata.X))  # Dense, as all that are real.
        assert whole == (about["likelihood"] == "negative_binomial")
        assert ("genes" in adata.uns) == (about.get("processes") == "go")
        if "genes" in adata.uns:
            genes = adata.uns["genes"]
            assert set(genes.loc[genes["selected"], "gene"]) == set(adata.var_names)
            assert adata.var_names.str.match("ENSG[0-9]{11}$").all()

    def test_labels_of_one_batch_alone_are_those_of_pathways(self, data_folder):
        folder = data_folder / "gfrn_signatures"
        adata = data.gfrn(f"{folder}/expression.csv.gz", f"{folder}/samples.csv.gz")
        batches = adata.obs.groupby("own_label", observed=True)["group"].nunique()
        assert (len(batches), batches.max()) == (9, 1)
        assert adata.obs["own_label"].isna().sum() == 27  # Controls.

    def test_planted_processes_are_as_many_as_the_config_says(self):
        about = CONFIGS[0]["data"]["planted"]
        adata = data.simulated_planted(3)
        assert adata.obs.columns.tolist() == ["group"]
        assert adata.n_vars == 2000
        true = truth(adata)
        assert len(true.factors) == about["n_factors"]
        assert (true.masks != 0).any().all()

    def test_they_can_be_written(self, counts, tmp_path):
        adata = data._with(counts, counts.obs["group"], pd.Series(["a", None] * 60))
        adata.write_h5ad(tmp_path / "data.h5ad")
        assert ad.read_h5ad(tmp_path / "data.h5ad").obs["label"].isna().sum() == 60

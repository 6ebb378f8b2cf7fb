import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mssvae import MSSVAE, simulate
from mssvae.results.tables import FactorTables
from studies import planted

SCRIPT = Path(__file__).parents[2] / "scripts" / "planted_numbers.py"
OPTIONS = {
    "nonlinear_every": None,
    "baseline_log_sd": 0.8,
    "library_log_mean": {"a": 12.5, "b": 13.5},
    "library_log_sd": {"a": 0.2, "b": 0.5},
    "theta_log_intercept": -0.5,
    "theta_log_slope": 0.4,
    "theta_log_sd": 0.4,
}


def cohort(correlation):
    terms = simulate.made_up_processes(30)
    options = {"n_genes": 700, "n_shared": 4, "n_specific": 1, "seed": 8, **OPTIONS}
    groups = {"a": 120, "b": 120}
    return simulate.cohort(terms, groups, factor_correlation=correlation, **options)


@pytest.fixture(scope="module")
def fitted():
    made = cohort(0.3)
    return made, MSSVAE(made, n_shared=6, n_specific=2).fit(decoder="linear")


def test_the_numbers_of_a_cohort_are_those_it_was_made_with(fitted):
    made, model = fitted
    numbers = planted.numbers(made, model, model)
    # One sample in a hundred has hardly any counts.
    for key in ("library_log_mean", "library_log_sd"):
        given = {group: numbers[key][group] for group in ("a", "b")}
        assert given == pytest.approx(OPTIONS[key], abs=0.1)
    assert numbers["theta_log_slope"] == pytest.approx(0.4, abs=0.08)
    assert numbers["theta_log_intercept"] == pytest.approx(-0.5, abs=0.4)
    assert numbers["theta_log_sd"] == pytest.approx(0.4, abs=0.12)
    true = np.square(np.corrcoef(made.obsm["true_shared"].T)[np.triu_indices(4, 1)]).mean() ** 0.5
    assert numbers["factor_correlation"] == pytest.approx(true, abs=0.1)
    # Loadings of 2 beside an output of 1, whose softplus is 1.6 on average.
    assert 0.9 < numbers["loading_quantiles"][1] < 2


def test_independent_factors_correlate_less(fitted):
    """By the median, as a fit that splits a factor has two that are alike."""
    _, correlated = fitted
    independent = MSSVAE(cohort(0), n_shared=6, n_specific=2).fit(decoder="linear")
    medians = [np.median(planted.correlations(model)) for model in (independent, correlated)]
    assert medians[0] < 0.1 * medians[1]


def test_genes_that_follow_a_sine_are_counted():
    """With the true factors, among genes without any."""
    options = {**OPTIONS, "nonlinear_every": 3, "theta_log_intercept": 1}
    terms, groups = simulate.made_up_processes(60), {"a": 150, "b": 150}
    made = simulate.cohort(terms, groups, n_genes=4000, n_shared=4, n_specific=1, **options)
    shared, *specific = (made.varm[f"true_{part}"] != 0 for part in ("shared", "a", "b"))
    sine = shared.any(axis=1) & (np.arange(made.n_vars) % 3 == 0)
    without = ~np.hstack([shared, *specific]).any(axis=1)
    own = pd.DataFrame(made.obsm["true_specific"], made.obs_names)
    latent = FactorTables(
        pd.DataFrame(made.obsm["true_shared"], made.obs_names),
        {group: own[(made.obs["group"] == group).to_numpy()] for group in groups},
    )
    expressed = made.X.mean(axis=0).A1 > 20
    found = planted.sine_share(made[:, expressed & (without | sine)], latent)
    assert found == pytest.approx(sine[expressed & (without | sine)].mean(), abs=0.002)
    assert planted.sine_share(made[:, expressed & without], latent) < 0.002


def test_random_genes_are_the_same_again(fitted):
    made, _ = fitted
    one, again, other = (planted.random_genes(made, 50, seed).var_names for seed in (1, 1, 2))
    assert len(one) == 50
    assert one.equals(again)
    assert not one.equals(other)
    assert planted.random_genes(made, 10**6).n_vars == made.n_vars


def test_the_script_reads_the_folder_of_a_cohort(fitted, tmp_path):
    made, model = fitted
    for folder in ("fit", "data", "qc"):
        (tmp_path / folder).mkdir()
    model.save(tmp_path / "fit/model.npz")
    made.write_h5ad(tmp_path / "data/selected.h5ad")
    made.write_h5ad(tmp_path / "qc/filtered.h5ad")
    answer = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True
    )
    # All genes are chosen, so the second fit is as the first.
    assert json.loads(answer.stdout) == planted.numbers(made, model, model)

"""What the front page of a report says of a run."""

import pandas as pd
from docutils.core import publish_parts

from mssvae import pages
from mssvae.factors import enriched_shares
from mssvae.replicates import summarise

GROUP = "*a_ `b` |c| \\\\ <d>"


def html(text):
    return publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]


def test_factors_and_enriched_shares_of_a_cohort():
    factors = pd.DataFrame(
        {
            "factor": ["s1", "s2", "x1", "x2"],
            "kind": ["shared", "shared", "specific", "specific"],
            "study": [None, None, GROUP, GROUP],
            "n_nonzero": [9, 0, 3, 4],
            "n_genes": [9, 0, 3, 0],
        }
    )
    summary = pd.DataFrame({"set": factors["factor"], "n_enriched": [2, 0, 0, 0]})
    text = pages.cohort_findings("My _cohort_*", factors, enriched_shares(factors, summary))
    shown = html(text)
    assert "<strong>My _cohort_*</strong>: genes have 1 of 2 shared factors" in shown
    assert f"{GROUP.replace('<', '&lt;').replace('>', '&gt;')}: 2 of 2)" in shown
    assert "1 of 1 shared ones, 0 of 1 specific ones have an enriched process" in shown


def test_a_cohort_without_factors():
    factors = pd.DataFrame(columns=["factor", "kind", "study", "n_nonzero", "n_genes"])
    shares = enriched_shares(factors, pd.DataFrame(columns=["set", "n_enriched"]))
    assert "0 of 0 shared factors and 0 of 0 specific ones." in pages.cohort_findings(
        "C", factors, shares
    )


def test_a_cohort_whose_gene_sets_were_not_tested():
    factors = pd.DataFrame({"kind": ["shared"], "study": [None], "n_nonzero": [3]})
    text = pages.cohort_findings("C", factors, None)
    assert text.endswith(
        "1 of 1 shared factors and 0 of 0 specific ones. "
        "Their gene sets were not tested for processes."
    )


def test_the_best_fit_of_each_method_to_unseen_samples_is_told():
    rows = [
        ("mssvae", 900, -4.5),
        ("mssvae", 90, -4.6),
        ("study means", 0, -5),
        ("NMF", 2000, -4.55),
    ]
    table = pd.DataFrame(rows, columns=["method", "entries", "score"])
    assert pages.unseen_findings("C", table) == (
        "- **C**, log-likelihood of a value of samples that fits have not seen, the best of each "
        "method: mssvae -4.500 (900 entries), NMF -4.550 (2,000 entries), "
        "study means -5.000 (0 entries)."
    )


def test_scores_of_a_simulation_are_those_of_the_last_stage():
    rows = [
        ("toy", "default", i, stage, part, "consensus", value)
        for stage, values in (("trained", (0.1, 0.2)), ("assigned", (0.5, 1.0)))
        for i, value in enumerate(values)
        for part in ("shared", "specific")
    ]
    columns = ["simulation", "method", "replicate", "stage", "part", "metric", "value"]
    text = pages.simulation_findings("Toy", summarise(pd.DataFrame(rows, columns=columns)))
    assert text == (
        "- **Toy**, method default, 2 data sets: median (worst) consensus shared 0.75 (0.50), "
        "consensus specific 0.75 (0.50)."
    )


def test_methods_of_the_talk_are_named_with_the_first_and_last_correlation():
    rows = [
        (method, correlation, measure, value - correlation)
        for method, value in (("Sparse_VAE", 0.95), ("VAE", 0.9))
        for correlation in (0.0, 0.4, 0.8)
        for measure in ("mse", "disentanglement")
    ]
    columns = ["method", "correlation", "measure", "median"]
    assert pages.talk_findings(pd.DataFrame(rows, columns=columns)) == (
        "- **Seven features of two factors**, median disentanglement where these have a "
        "correlation of 0 and 0.8: Sparse\\_VAE 0.95 and 0.15; VAE 0.90 and 0.10."
    )


def test_the_assumptions_that_matter_most_are_named():
    worlds = {"all hold": 1.0, "a": 0.9, "b": 0.5, "c": 0.7, "d": 0.6}
    rows = [
        (world, method, by * value)
        for world, value in worlds.items()
        for method, by in (("M", 1), ("N", 0.1))
    ]
    table = pd.DataFrame(rows, columns=["world", "method", "consensus"])
    assert pages.assumption_findings(table) == (
        "- **Assumptions of the theory**: the median consensus of M is 1.00 where all hold; lowest "
        "are 0.50 with b, 0.60 with d, 0.70 with c."
    )


def test_enriched_sets_are_set_against_random_ones():
    rows = [
        ("shared", "MSSVAE", 30, 15, 10, None, None),
        ("shared", "random sets", 30, 7.85, 3.75, 6.0, 10.0),
        ("shared", "permuted labels", 29, 14, 9, None, None),
        ("specific", "MSSVAE", 12, 2, 2, None, None),
        ("specific", "random sets", 12, 0.85, 0.8, 0.0, 2.0),
        ("specific", "permuted labels", 11, 1, 1, None, None),
    ]
    columns = [
        *("kind", "method", "n_sets", "n_enriched", "n_own"),
        *("n_enriched_low", "n_enriched_high"),
    ]
    table = pd.DataFrame(rows, columns=columns).assign(background="expressed")
    assert pages.random_findings(table, "expressed") == (
        "Against the expressed genes: shared 15 of 30, random sets of equal size and expression "
        "7.8 (6.0 to 10.0), permuted groups 14 of 29: more than chance; specific 2 of 12, random "
        "sets of equal size and expression 0.8 (0.0 to 2.0), permuted groups 1 of 11: no more "
        "than chance."
    )

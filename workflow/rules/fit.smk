# The MSSVAE, how stable its factors are, and their gene sets.


rule fit_cohort:
    input:
        selected="results/{run}/cohorts/{cohort}/data/selected.h5ad",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library(*FIT_SOURCES, "results/*.py"),
    output:
        model="results/{run}/cohorts/{cohort}/fit/model.npz",
        masks="results/{run}/cohorts/{cohort}/fit/masks.tsv.gz",
        latent="results/{run}/cohorts/{cohort}/fit/latent.tsv.gz",
        factors="results/{run}/cohorts/{cohort}/fit/factors.tsv",
        history="results/{run}/cohorts/{cohort}/fit/history.tsv",
        manifest=report(
            "results/{run}/cohorts/{cohort}/fit/manifest.json",
            caption="../report/manifest.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Manifest of the fit"},
        ),
    log:
        "results/{run}/logs/{cohort}/fit.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/fit.tsv"
    conda:
        "../../envs/model.yaml"
    # A second one saves a fifth of the time at best, and costs where other jobs run. With one, tables
    # are the same whatever --cores is.
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=720,
    params:
        model=lookup(within=config, dpath="cohorts/{cohort}/model"),
        fit=lookup(within=config, dpath="cohorts/{cohort}/fit"),
        seed=config["seed"],
        # No output: those of a killed job are deleted.
        checkpoint="results/{run}/checkpoints/cohorts/{cohort}",
    message:
        "Fitting the MSSVAE to cohort {wildcards.cohort}"
    script:
        "../../scripts/fit.py"


rule fit_subsample:
    input:
        selected="results/{run}/cohorts/{cohort}/data/selected.h5ad",
        code=library(*FIT_SOURCES, "evaluation/*", "results/*.py"),
    output:
        masks="results/{run}/cohorts/{cohort}/fit/subsamples/{subsample}/masks.tsv.gz",
        factors="results/{run}/cohorts/{cohort}/fit/subsamples/{subsample}/factors.tsv",
    log:
        "results/{run}/logs/{cohort}/subsample_{subsample}.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/subsample_{subsample}.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=720,
    params:
        model=lookup(within=config, dpath="cohorts/{cohort}/model"),
        fit=lookup(within=config, dpath="cohorts/{cohort}/fit"),
        share=lookup(within=config, dpath="cohorts/{cohort}/stability/share"),
        seed=config["seed"],
        checkpoint="results/{run}/checkpoints/cohorts/{cohort}_subsample_{subsample}",
    message:
        "Fitting the MSSVAE to some samples of cohort {wildcards.cohort}, run {wildcards.subsample}"
    script:
        "../../scripts/subsample.py"


rule stability:
    input:
        # Of the fit to all samples first.
        masks=lambda wildcards: fits_of(wildcards, "masks.tsv.gz"),
        factors=lambda wildcards: fits_of(wildcards, "factors.tsv"),
        manifest="results/{run}/cohorts/{cohort}/fit/manifest.json",
        code=library("evaluation/*", "fitting/linear/tuning.py", "results/tables.py"),
    output:
        frequency="results/{run}/cohorts/{cohort}/fit/frequency.tsv.gz",
        agreement="results/{run}/cohorts/{cohort}/fit/agreement.tsv",
        stability=report(
            "results/{run}/cohorts/{cohort}/tables/stability.tsv",
            caption="../report/stability.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Stability of the factors"},
        ),
    log:
        "results/{run}/logs/{cohort}/stability.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/stability.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=10,
    params:
        threshold=lookup(within=config, dpath="cohorts/{cohort}/stability/threshold"),
    message:
        "Comparing the fits to some samples of cohort {wildcards.cohort} with that to all"
    script:
        "../../scripts/stability.py"


rule gene_sets:
    input:
        masks="results/{run}/cohorts/{cohort}/fit/masks.tsv.gz",
        factors="results/{run}/cohorts/{cohort}/fit/factors.tsv",
        code=library("factors.py", "data/matrices.py", "data/validation.py"),
    output:
        sets="results/{run}/cohorts/{cohort}/enrichment/gene_sets.json",
        factors=report(
            "results/{run}/cohorts/{cohort}/tables/factors.tsv",
            caption="../report/factors.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Factors"},
        ),
    log:
        "results/{run}/logs/{cohort}/gene_sets.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/gene_sets.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        threshold=lookup(within=config, dpath="cohorts/{cohort}/gene_set_threshold"),
    message:
        "Collecting the gene sets of the factors of cohort {wildcards.cohort}"
    script:
        "../../scripts/gene_sets.py"

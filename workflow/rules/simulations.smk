# Simulation studies: data with known factors, fits by several methods, and their scores.


rule simulate:
    input:
        code=library("simulate/*", "data/validation.py"),
    output:
        # Kept, as making a lost file again would run all fits to it again.
        data="results/{run}/simulations/{simulation}/{replicate}/data.h5ad",
        source="results/{run}/simulations/{simulation}/{replicate}/source.json",
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/simulate.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/simulate.tsv"
    wildcard_constraints:
        simulation=any_of(SETTINGS.keys() - PLANTED),
    conda:
        "../../envs/simulations.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=15,
    params:
        simulator=lookup(
            within=config, dpath="simulations/settings/{simulation}/simulator"
        ),
        data=lookup(within=config, dpath="simulations/settings/{simulation}/data"),
        seed=data_seed,
    message:
        "Simulating replicate {wildcards.replicate} of {wildcards.simulation}"
    script:
        "../../scripts/simulate.py"


# As a cohort of a user: with quality control and a choice of genes.
rule simulate_cohort:
    input:
        unpack(planted_processes),
        code=library(
            "simulate/*",
            "enrichment/_gmt.py",
            "preprocess.py",
            "data/matrices.py",
            "data/validation.py",
        ),
    output:
        data="results/{run}/simulations/{simulation}/{replicate}/data.h5ad",
        source="results/{run}/simulations/{simulation}/{replicate}/source.json",
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/simulate_cohort.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/simulate_cohort.tsv"
    wildcard_constraints:
        simulation=any_of(PLANTED),
    conda:
        "../../envs/scanpy.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=15,
    params:
        data=lookup(within=config, dpath="simulations/settings/{simulation}/data"),
        n_genes=lookup(within=config, dpath="simulations/settings/{simulation}/n_genes"),
        seed=data_seed,
    message:
        "Simulating replicate {wildcards.replicate} of {wildcards.simulation}"
    script:
        "../../scripts/simulate_cohort.py"


# By itself, as a change of what this depends on must not run the fits again.
rule truth:
    input:
        data="results/{run}/simulations/{simulation}/{replicate}/data.h5ad",
        code=library("replicates.py", "data/validation.py"),
    output:
        masks="results/{run}/simulations/{simulation}/{replicate}/truth/masks.tsv.gz",
        factors="results/{run}/simulations/{simulation}/{replicate}/truth/factors.tsv",
        latent="results/{run}/simulations/{simulation}/{replicate}/truth/latent.tsv.gz",
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/truth.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/truth.tsv"
    conda:
        "../../envs/simulations.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=10,
    message:
        "Writing the true factors of replicate {wildcards.replicate} of {wildcards.simulation}"
    script:
        "../../scripts/truth.py"


# Simulated data are many and small: fits side by side are faster than one on several cores.
use rule fit_cohort as fit_simulation with:
    input:
        selected="results/{run}/simulations/{simulation}/{replicate}/data.h5ad",
        source="results/{run}/simulations/{simulation}/{replicate}/source.json",
        code=rules.fit_cohort.input.code,
    output:
        model="results/{run}/simulations/{simulation}/{replicate}/{method}/model.npz",
        masks="results/{run}/simulations/{simulation}/{replicate}/{method}/masks.tsv.gz",
        latent="results/{run}/simulations/{simulation}/{replicate}/{method}/latent.tsv.gz",
        factors="results/{run}/simulations/{simulation}/{replicate}/{method}/factors.tsv",
        history="results/{run}/simulations/{simulation}/{replicate}/{method}/history.tsv",
        manifest="results/{run}/simulations/{simulation}/{replicate}/{method}/manifest.json",
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/{method}/fit.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/{method}/fit.tsv"
    wildcard_constraints:
        method=any_of(METHODS),
    threads: 1
    params:
        model=simulation_model,
        fit=lookup(
            within=config, dpath="simulations/settings/{simulation}/methods/{method}"
        ),
        seed=fit_seed,
        checkpoint="results/{run}/checkpoints/simulations/{simulation}/{replicate}/{method}",
    message:
        "Fitting method {wildcards.method} to replicate {wildcards.replicate} of "
        "{wildcards.simulation}"


# Factor analysis and NMF, which are told the true numbers of factors and genes.
rule peers:
    input:
        data="results/{run}/simulations/{simulation}/{replicate}/data.h5ad",
        code=library("evaluation/*", "replicates.py", "data/*.py"),
    output:
        collect(
            "results/{{run}}/simulations/{{simulation}}/{{replicate}}/{{method}}/{table}",
            table=[
                f"{stage}{table}"
                for stage in ("", "assigned/")
                for table in ("masks.tsv.gz", "factors.tsv", "latent.tsv.gz")
            ],
        ),
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/{method}/peers.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/{method}/peers.tsv"
    wildcard_constraints:
        method=any_of(OTHER_METHODS & {"factor_analysis", "nmf"}),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    message:
        "Analysing replicate {wildcards.replicate} of {wildcards.simulation} by "
        "{wildcards.method}"
    script:
        "../../scripts/peers.py"


rule assign:
    input:
        data="results/{run}/simulations/{simulation}/{replicate}/data.h5ad",
        model="results/{run}/simulations/{simulation}/{replicate}/{method}/model.npz",
        code=library(
            "model.py", "data/model_data.py", "core/*.py", "moves/*.py", "results/*.py"
        ),
    output:
        masks="results/{run}/simulations/{simulation}/{replicate}/{method}/assigned/masks.tsv.gz",
        factors="results/{run}/simulations/{simulation}/{replicate}/{method}/assigned/factors.tsv",
        latent="results/{run}/simulations/{simulation}/{replicate}/{method}/assigned/latent.tsv.gz",
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/{method}/assign.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/{method}/assign.tsv"
    wildcard_constraints:
        method=any_of(METHODS),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=15,
    message:
        "Assigning the factors of method {wildcards.method}, replicate {wildcards.replicate} of "
        "{wildcards.simulation}"
    script:
        "../../scripts/assign.py"


rule scores:
    input:
        truth=multiext(
            "results/{run}/simulations/{simulation}/{replicate}/truth/",
            "masks.tsv.gz",
            "factors.tsv",
            "latent.tsv.gz",
        ),
        trained=multiext(
            "results/{run}/simulations/{simulation}/{replicate}/{method}/",
            "masks.tsv.gz",
            "factors.tsv",
            "latent.tsv.gz",
        ),
        assigned=multiext(
            "results/{run}/simulations/{simulation}/{replicate}/{method}/assigned/",
            "masks.tsv.gz",
            "factors.tsv",
            "latent.tsv.gz",
        ),
        code=library(
            "metrics.py", "replicates.py", "data/matrices.py", "data/validation.py"
        ),
    output:
        scores="results/{run}/simulations/{simulation}/{replicate}/{method}/scores.tsv",
    log:
        "results/{run}/logs/simulations/{simulation}/{replicate}/{method}/scores.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/{replicate}/{method}/scores.tsv"
    conda:
        "../../envs/simulations.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        max_column_share=lookup(
            within=config, dpath="simulations/settings/{simulation}/max_column_share"
        ),
    message:
        "Scoring method {wildcards.method} on replicate {wildcards.replicate} of "
        "{wildcards.simulation}"
    script:
        "../../scripts/scores.py"


rule collect_scores:
    input:
        scores=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/{method}/scores.tsv",
            method=methods,
            replicate=reported_replicates,
        ),
    output:
        scores=report(
            "results/{run}/simulations/{simulation}/scores.csv",
            caption="../report/scores.rst",
            category="Simulation {simulation}",
            subcategory="Tables",
            labels={"table": "Scores of every replicate"},
        ),
    log:
        "results/{run}/logs/simulations/{simulation}/collect_scores.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/collect_scores.tsv"
    conda:
        "../../envs/simulations.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Collecting the scores of all reported replicates of {wildcards.simulation}"
    script:
        "../../scripts/collect_scores.py"


rule summary:
    input:
        scores=["results/{run}/simulations/{simulation}/scores.csv"],
        code=library("replicates.py", "data/validation.py"),
    output:
        summary=report(
            "results/{run}/simulations/{simulation}/summary.csv",
            caption="../report/summary.rst",
            category="Simulation {simulation}",
            subcategory="Tables",
            labels={"table": "Summary of the scores"},
        ),
    log:
        "results/{run}/logs/simulations/{simulation}/summary.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/summary.tsv"
    conda:
        "../../envs/simulations.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Summarising the scores of {wildcards.simulation}"
    script:
        "../../scripts/summary.py"


use rule summary as summary_of_all with:
    input:
        scores=collect(
            "results/{{run}}/simulations/{simulation}/scores.csv", simulation=SETTINGS
        ),
        code=library("replicates.py", "data/validation.py"),
    output:
        summary=report(
            "results/{run}/tables/simulations.csv",
            caption="../report/simulations.rst",
            category="All simulations",
            labels={"table": "Summary of the scores"},
        ),
    log:
        "results/{run}/logs/simulations.log",
    benchmark:
        "results/{run}/benchmarks/simulations.tsv"
    message:
        "Summarising the scores of all simulations"


rule settings:
    input:
        manifests=list(manifests().values()),
        code=library("replicates.py", "data/validation.py"),
    output:
        settings=report(
            "results/{run}/tables/settings.tsv",
            caption="../report/settings.rst",
            category="Model",
            labels={"table": "Table 2: settings"},
        ),
    log:
        "results/{run}/logs/settings.log",
    benchmark:
        "results/{run}/benchmarks/settings.tsv"
    conda:
        "../../envs/simulations.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        names=list(manifests()),
    message:
        "Writing the settings of all fits side by side"
    script:
        "../../scripts/settings.py"


rule figure_simulation:
    input:
        scores="results/{run}/simulations/{simulation}/scores.csv",
        # The paper shows data against factors for Gaussian data only.
        data=branch(
            lookup(within=config, dpath="simulations/settings/{simulation}/simulator"),
            cases={
                "gaussian": collect(
                    "results/{{run}}/simulations/{{simulation}}/{replicate}/data.h5ad",
                    replicate=example_replicate,
                ),
                "rnaseq": [],
                "cohort": [],
            },
        ),
        truth=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/truth/{table}",
            replicate=example_replicate,
            table=["masks.tsv.gz", "factors.tsv", "latent.tsv.gz"],
        ),
        estimate=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/{method}/assigned/{table}",
            replicate=example_replicate,
            method=main_method,
            table=["masks.tsv.gz", "factors.tsv", "latent.tsv.gz"],
        ),
        code=library("figures/*", "replicates.py", "metrics.py"),
    output:
        pdf="results/{run}/simulations/{simulation}/figures/simulation.pdf",
        png=report(
            "results/{run}/simulations/{simulation}/figures/simulation.png",
            caption="../report/simulation.rst",
            category="Simulation {simulation}",
            subcategory="Figures",
            labels={"figure": "Scores and an example"},
        ),
    log:
        "results/{run}/logs/simulations/{simulation}/figure_simulation.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/figure_simulation.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=10,
    params:
        title=lookup(within=config, dpath="simulations/settings/{simulation}/title"),
        method=main_method,
        replicate=example_replicate,
    message:
        "Drawing the scores and an example of {wildcards.simulation}"
    script:
        "../../scripts/figure_simulation.py"


rule figure_worst:
    input:
        scores="results/{run}/simulations/{simulation}/scores.csv",
        true_masks=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/truth/masks.tsv.gz",
            replicate=reported_replicates,
        ),
        true_factors=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/truth/factors.tsv",
            replicate=reported_replicates,
        ),
        masks=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/{method}/assigned/masks.tsv.gz",
            replicate=reported_replicates,
            method=main_method,
        ),
        factors=collect(
            "results/{{run}}/simulations/{{simulation}}/{replicate}/{method}/assigned/factors.tsv",
            replicate=reported_replicates,
            method=main_method,
        ),
        code=library("figures/*", "replicates.py", "metrics.py"),
    output:
        pdf="results/{run}/simulations/{simulation}/figures/worst.pdf",
        png=report(
            "results/{run}/simulations/{simulation}/figures/worst.png",
            caption="../report/worst.rst",
            category="Simulation {simulation}",
            subcategory="Figures",
            labels={"figure": "The worst replicate"},
        ),
    log:
        "results/{run}/logs/simulations/{simulation}/figure_worst.log",
    benchmark:
        "results/{run}/benchmarks/simulations/{simulation}/figure_worst.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        title=lookup(within=config, dpath="simulations/settings/{simulation}/title"),
        method=main_method,
        replicates=reported_replicates,
    message:
        "Drawing the worst replicate of {wildcards.simulation}"
    script:
        "../../scripts/figure_worst.py"

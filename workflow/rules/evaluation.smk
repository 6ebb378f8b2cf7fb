# Whether factors hold on samples that fits have not seen.


rule unseen:
    input:
        selected="results/{run}/cohorts/{cohort}/data/selected.h5ad",
        code=library("evaluation/*", *FIT_SOURCES),
    output:
        table=report(
            "results/{run}/cohorts/{cohort}/tables/unseen.tsv",
            caption="../report/unseen.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Scores on unseen samples"},
        ),
    log:
        "results/{run}/logs/{cohort}/unseen.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/unseen.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=240,
    params:
        model=lookup(within=config, dpath="cohorts/{cohort}/model"),
        evaluation=lookup(within=config, dpath="cohorts/{cohort}/evaluation"),
        seed=config["seed"],
    message:
        "Scoring fits to cohort {wildcards.cohort} on samples that they have not seen"
    script:
        "../../scripts/unseen.py"


rule figure_unseen:
    input:
        table="results/{run}/cohorts/{cohort}/tables/unseen.tsv",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library("figures/*"),
    output:
        pdf="results/{run}/cohorts/{cohort}/figures/unseen.pdf",
        png=report(
            "results/{run}/cohorts/{cohort}/figures/unseen.png",
            caption="../report/unseen_figure.rst",
            category="Cohort {cohort}",
            subcategory="Figures",
            labels={"figure": "Scores on unseen samples"},
        ),
    log:
        "results/{run}/logs/{cohort}/figure_unseen.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/figure_unseen.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        title=lookup(within=config, dpath="cohorts/{cohort}/title"),
    message:
        "Drawing the scores of cohort {wildcards.cohort} on unseen samples"
    script:
        "../../scripts/figure_unseen.py"


rule replication:
    input:
        unpack(other_cohort),
        filtered="results/{run}/cohorts/{cohort}/qc/filtered.h5ad",
        code=library(*FIT_SOURCES, "evaluation/*", "results/*.py"),
    output:
        table=report(
            "results/{run}/cohorts/{cohort}/tables/replication.tsv",
            caption="../report/replication.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Shared factors of another cohort"},
        ),
    log:
        "results/{run}/logs/{cohort}/replication.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/replication.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=240,
    params:
        seed=config["seed"],
    message:
        "Trying the shared factors of another cohort on samples of cohort {wildcards.cohort}"
    script:
        "../../scripts/replication.py"

# Factors in supervised learning: disease from features of all methods, and draws for a small class.


rule supervised_samples:
    input:
        counts=lambda wildcards: full_path(SUPERVISED["counts"]),
        code=library(
            "cohorts/*",
            "data/validation.py",
            "data/matrices.py",
            "pipeline/yaml_files.py",
            "preprocess.py",
        ),
        study=studies("supervised/data.py", "comparison/data.py"),
    output:
        samples="results/{run}/supervised/samples.h5ad",
    log:
        "results/{run}/logs/supervised/samples.log",
    benchmark:
        "results/{run}/benchmarks/supervised/samples.tsv"
    conda:
        "../../envs/supervised.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=15,
    message:
        "Reading the samples whose disease is predicted"
    script:
        "../../scripts/supervised_samples.py"


rule supervised_scores:
    input:
        samples="results/{run}/supervised/samples.h5ad",
        code=library(
            *FIT_SOURCES,
            "results/*.py",
            "preprocess.py",
            "evaluation/_peers.py",
            "replicates.py",
        ),
        study=studies("supervised/*.py"),
    output:
        scores="results/{run}/supervised/scores/{part}/{replicate}.tsv",
    log:
        "results/{run}/logs/supervised/{part}/{replicate}.log",
    benchmark:
        "results/{run}/benchmarks/supervised/{part}/{replicate}.tsv"
    wildcard_constraints:
        part="features|permuted|augmentation",
        replicate=any_of(
            [
                *SUPERVISED["replicates"]["development"],
                *SUPERVISED["replicates"]["reported"],
            ]
        ),
    conda:
        "../../envs/supervised.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=120,
    params:
        design=SUPERVISED["design"],
    message:
        "Predicting disease in cross-validation {wildcards.replicate}, part {wildcards.part}"
    script:
        "../../scripts/supervised_scores.py"


rule supervised_summary:
    input:
        scores=[
            *collect(
                "results/{{run}}/supervised/scores/{part}/{replicate}.tsv",
                part=["features", "augmentation"],
                replicate=SUPERVISED["replicates"]["reported"],
            ),
            # A control: one cross-validation of it does.
            *collect(
                "results/{{run}}/supervised/scores/permuted/{replicate}.tsv",
                replicate=SUPERVISED["replicates"]["reported"][:1],
            ),
        ],
        study=studies("supervised/*.py"),
    output:
        scores="results/{run}/supervised/scores.tsv",
        summary=report(
            "results/{run}/supervised/summary.tsv",
            caption="../report/supervised_summary.rst",
            category="Factors in supervised learning",
            subcategory="Tables",
            labels={"table": "Summary of the scores"},
        ),
    log:
        "results/{run}/logs/supervised/summary.log",
    benchmark:
        "results/{run}/benchmarks/supervised/summary.tsv"
    conda:
        "../../envs/supervised.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Summarising how well disease is predicted"
    script:
        "../../scripts/supervised_summary.py"


rule figure_supervised:
    input:
        scores="results/{run}/supervised/scores.tsv",
        code=library("figures/*"),
    output:
        pdf="results/{run}/supervised/figures/supervised.pdf",
        png=report(
            "results/{run}/supervised/figures/supervised.png",
            caption="../report/supervised.rst",
            category="Factors in supervised learning",
            subcategory="Figures",
            labels={"figure": "Disease from factors, and draws for a small class"},
        ),
    log:
        "results/{run}/logs/supervised/figure_supervised.log",
    benchmark:
        "results/{run}/benchmarks/supervised/figure_supervised.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        title=SUPERVISED["title"],
        small=SUPERVISED["design"]["small"],
    message:
        "Drawing how well disease is predicted"
    script:
        "../../scripts/figure_supervised.py"

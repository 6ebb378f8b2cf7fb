# The talk's studies: five methods over the correlation of two factors in simulated data, and on real data.


rule talk_scores:
    input:
        code=library(*FIT_SOURCES, "metrics.py", "replicates.py"),
        study=studies("talk/*.py"),
    output:
        scores="results/{run}/talk/scores/{replicate}/{method}.tsv",
    log:
        "results/{run}/logs/talk/{replicate}/{method}.log",
    benchmark:
        "results/{run}/benchmarks/talk/{replicate}/{method}.tsv"
    wildcard_constraints:
        replicate=any_of(
            [*TALK["replicates"]["development"], *TALK["replicates"]["reported"]]
        ),
        method=any_of(TALK["methods"]),
    conda:
        "../../envs/model.yaml"
    # Small networks: fits side by side are faster than one on several cores.
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        design=TALK["design"],
        settings=lookup(within=config, dpath="talk/methods/{method}"),
    message:
        "Fitting {wildcards.method} to replicate {wildcards.replicate} of the talk's study"
    script:
        "../../scripts/talk_scores.py"


rule talk_summary:
    input:
        scores=collect(
            "results/{{run}}/talk/scores/{replicate}/{method}.tsv",
            method=TALK["methods"],
            replicate=TALK["replicates"]["reported"],
        ),
        study=studies("talk/*.py"),
    output:
        scores="results/{run}/talk/scores.tsv",
        summary=report(
            "results/{run}/talk/summary.tsv",
            caption="../report/talk_summary.rst",
            category="The talk's study",
            subcategory="Tables",
            labels={"table": "Summary of the scores"},
        ),
    log:
        "results/{run}/logs/talk/summary.log",
    benchmark:
        "results/{run}/benchmarks/talk/summary.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Summarising the scores of the talk's study"
    script:
        "../../scripts/talk_summary.py"


rule figure_talk:
    input:
        summary="results/{run}/talk/summary.tsv",
        code=library("figures/*"),
    output:
        pdf="results/{run}/talk/figures/talk.pdf",
        png=report(
            "results/{run}/talk/figures/talk.png",
            caption="../report/talk.rst",
            category="The talk's study",
            subcategory="Figures",
            labels={"figure": "Error and disentanglement"},
        ),
    log:
        "results/{run}/logs/talk/figure_talk.log",
    benchmark:
        "results/{run}/benchmarks/talk/figure_talk.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    message:
        "Drawing error and disentanglement against the correlation of the factors"
    script:
        "../../scripts/figure_talk.py"


rule talk_data:
    input:
        data=lambda wildcards: full_path(TALK["data"][wildcards.dataset]["path"]),
        code=studies("talk/readers.py"),
    output:
        data="results/{run}/talk/data/{dataset}.h5ad",
    log:
        "results/{run}/logs/talk/{dataset}/data.log",
    benchmark:
        "results/{run}/benchmarks/talk/{dataset}/data.tsv"
    wildcard_constraints:
        dataset=any_of(TALK_DATA),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=30,
    params:
        about=lookup(within=config, dpath="talk/data/{dataset}"),
    message:
        "Reading {wildcards.dataset} for the talk's study"
    script:
        "../../scripts/talk_data.py"


rule talk_unseen:
    input:
        data="results/{run}/talk/data/{dataset}.h5ad",
        code=library(*FIT_SOURCES, "replicates.py"),
        study=studies("talk/*.py", "comparison/measures.py"),
    output:
        scores="results/{run}/talk/unseen/{dataset}/{fold}/{method}.tsv",
    log:
        "results/{run}/logs/talk/{dataset}/{fold}/{method}.log",
    benchmark:
        "results/{run}/benchmarks/talk/{dataset}/{fold}/{method}.tsv"
    wildcard_constraints:
        dataset=any_of(TALK_DATA),
        fold="[1-9][0-9]*",
        method=any_of(TALK["methods"]),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=1440,
    params:
        design=talk_design,
        settings=talk_settings,
    message:
        "Fitting {wildcards.method} to {wildcards.dataset} but for fold {wildcards.fold}"
    script:
        "../../scripts/talk_unseen.py"


rule talk_unseen_summary:
    input:
        scores=[
            f"results/{{run}}/talk/unseen/{dataset}/{fold}/{method}.tsv"
            for dataset in TALK_DATA
            for method in TALK["methods"]
            for fold in range(1, TALK["data"][dataset]["design"]["folds"] + 1)
        ],
        study=studies("talk/*.py"),
    output:
        scores="results/{run}/talk/unseen.tsv",
        summary=report(
            "results/{run}/talk/unseen_summary.tsv",
            caption="../report/talk_unseen.rst",
            category="The talk's study",
            subcategory="Tables",
            labels={"table": "Summary of the measures on real data"},
        ),
    log:
        "results/{run}/logs/talk/unseen_summary.log",
    benchmark:
        "results/{run}/benchmarks/talk/unseen_summary.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Summarising the measures on the talk's real data"
    script:
        "../../scripts/talk_unseen_summary.py"

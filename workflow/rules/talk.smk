# The talk's study of simulated data: five methods over the correlation of two factors.


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

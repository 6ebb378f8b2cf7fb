# What is recovered where an assumption of the theory does not hold.


rule assumptions_scores:
    input:
        code=library(*FIT_SOURCES, "metrics.py", "replicates.py", "results/*.py"),
        study=studies("assumptions.py"),
    output:
        scores="results/{run}/assumptions/scores/{replicate}.tsv",
    log:
        "results/{run}/logs/assumptions/{replicate}.log",
    benchmark:
        "results/{run}/benchmarks/assumptions/{replicate}.tsv"
    wildcard_constraints:
        replicate=any_of(
            [
                *ASSUMPTIONS["replicates"]["development"],
                *ASSUMPTIONS["replicates"]["reported"],
            ]
        ),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        master_seed=ASSUMPTIONS["master_seed"],
    message:
        "Fitting data that break one assumption each, replicate {wildcards.replicate}"
    script:
        "../../scripts/assumptions_scores.py"


rule assumptions_summary:
    input:
        scores=collect(
            "results/{{run}}/assumptions/scores/{replicate}.tsv",
            replicate=ASSUMPTIONS["replicates"]["reported"],
        ),
        study=studies("assumptions.py"),
    output:
        scores="results/{run}/assumptions/scores.tsv",
        summary=report(
            "results/{run}/assumptions/summary.tsv",
            caption="../report/assumptions.rst",
            category="The assumptions",
            labels={"table": "What is recovered without them"},
        ),
    log:
        "results/{run}/logs/assumptions/summary.log",
    benchmark:
        "results/{run}/benchmarks/assumptions/summary.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Summarising what is recovered where an assumption does not hold"
    script:
        "../../scripts/assumptions_summary.py"

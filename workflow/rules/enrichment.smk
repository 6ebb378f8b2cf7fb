# Which biological processes the factors' gene sets are rich in.


rule enrichment:
    input:
        gene_sets="results/{run}/cohorts/{cohort}/enrichment/gene_sets.json",
        universe="results/{run}/cohorts/{cohort}/fit/masks.tsv.gz",
        annotation=tested_on,
        code=library("enrichment/*", "annotation.py", "validation.py"),
    output:
        terms=report(
            "results/{run}/cohorts/{cohort}/enrichment/terms.tsv.gz",
            caption="../report/terms.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Section 5: all tests"},
        ),
        summary=report(
            "results/{run}/cohorts/{cohort}/tables/enrichment_summary.tsv",
            caption="../report/enrichment_summary.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Section 5: tests of each factor"},
        ),
        engine="results/{run}/cohorts/{cohort}/enrichment/engine.json",
    log:
        "results/{run}/logs/{cohort}/enrichment.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/enrichment.tsv"
    conda:
        "../../envs/enrichment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
    params:
        engine=lookup(within=config, dpath="cohorts/{cohort}/enrichment/engine"),
        adjust=lookup(within=config, dpath="cohorts/{cohort}/enrichment/adjust"),
        fdr=lookup(within=config, dpath="cohorts/{cohort}/enrichment/fdr"),
    message:
        "Testing the gene sets of cohort {wildcards.cohort} for biological processes"
    script:
        "../../scripts/enrichment.py"


rule processes:
    input:
        terms="results/{run}/cohorts/{cohort}/enrichment/terms.tsv.gz",
        summary="results/{run}/cohorts/{cohort}/tables/enrichment_summary.tsv",
        factors="results/{run}/cohorts/{cohort}/tables/factors.tsv",
        code=library("enrichment/*", "factors.py", "matrices.py", "validation.py"),
    output:
        shared=report(
            "results/{run}/cohorts/{cohort}/tables/shared_processes.tsv",
            caption="../report/shared_processes.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Figure 4: processes of shared factors"},
        ),
        specific=report(
            "results/{run}/cohorts/{cohort}/tables/specific_processes.tsv",
            caption="../report/specific_processes.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Figure 5: processes of specific factors"},
        ),
        shares=report(
            "results/{run}/cohorts/{cohort}/tables/enriched_shares.tsv",
            caption="../report/enriched_shares.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Section 5: share of factors with an enriched process"},
        ),
    log:
        "results/{run}/logs/{cohort}/processes.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/processes.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        settings=lookup(within=config, dpath="cohorts/{cohort}/enrichment"),
    message:
        "Choosing the processes that tell the factors of cohort {wildcards.cohort} apart"
    script:
        "../../scripts/processes.py"

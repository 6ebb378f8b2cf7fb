# Which biological processes the factors' gene sets are rich in.


rule enrichment:
    input:
        gene_sets="results/{run}/cohorts/{cohort}/enrichment/gene_sets.json",
        genes="results/{run}/cohorts/{cohort}/tables/genes.tsv.gz",
        annotation=tested_on,
        code=library("enrichment/*", "pipeline/annotation.py", "data/validation.py"),
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
        background=lookup(within=config, dpath="cohorts/{cohort}/enrichment/background"),
    message:
        "Testing the gene sets of cohort {wildcards.cohort} for biological processes"
    script:
        "../../scripts/enrichment.py"


rule processes:
    input:
        terms="results/{run}/cohorts/{cohort}/enrichment/terms.tsv.gz",
        summary="results/{run}/cohorts/{cohort}/tables/enrichment_summary.tsv",
        factors="results/{run}/cohorts/{cohort}/tables/factors.tsv",
        code=library(
            "enrichment/*", "factors.py", "data/matrices.py", "data/validation.py"
        ),
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


# Whether these are more than chance finds: random sets, permuted labels, other models.


rule permute_labels:
    input:
        selected="results/{run}/cohorts/{cohort}/data/selected.h5ad",
    output:
        permuted="results/{run}/cohorts/{cohort}/permuted/selected.h5ad",
    log:
        "results/{run}/logs/{cohort}/permute_labels.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/permute_labels.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=10,
    params:
        seed=config["seed"],
    message:
        "Permuting the groups of the samples of cohort {wildcards.cohort}"
    script:
        "../../scripts/permute_labels.py"


use rule fit_cohort as fit_permuted with:
    input:
        selected="results/{run}/cohorts/{cohort}/permuted/selected.h5ad",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=rules.fit_cohort.input.code,
    output:
        model="results/{run}/cohorts/{cohort}/permuted/model.npz",
        masks="results/{run}/cohorts/{cohort}/permuted/masks.tsv.gz",
        latent="results/{run}/cohorts/{cohort}/permuted/latent.tsv.gz",
        factors="results/{run}/cohorts/{cohort}/permuted/fit_factors.tsv",
        history="results/{run}/cohorts/{cohort}/permuted/history.tsv",
        manifest="results/{run}/cohorts/{cohort}/permuted/manifest.json",
    log:
        "results/{run}/logs/{cohort}/fit_permuted.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/fit_permuted.tsv"
    params:
        model=lookup(within=config, dpath="cohorts/{cohort}/model"),
        fit=lookup(within=config, dpath="cohorts/{cohort}/fit"),
        seed=config["seed"],
        checkpoint="results/{run}/checkpoints/permuted/{cohort}",
    message:
        "Fitting the MSSVAE to cohort {wildcards.cohort} with permuted groups"


use rule gene_sets as gene_sets_permuted with:
    input:
        masks="results/{run}/cohorts/{cohort}/permuted/masks.tsv.gz",
        factors="results/{run}/cohorts/{cohort}/permuted/fit_factors.tsv",
        code=rules.gene_sets.input.code,
    output:
        sets="results/{run}/cohorts/{cohort}/permuted/gene_sets.json",
        factors="results/{run}/cohorts/{cohort}/permuted/factors.tsv",
    log:
        "results/{run}/logs/{cohort}/gene_sets_permuted.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/gene_sets_permuted.tsv"
    message:
        "Collecting the gene sets of cohort {wildcards.cohort} with permuted groups"


rule peer_gene_sets:
    input:
        selected="results/{run}/cohorts/{cohort}/data/selected.h5ad",
        gene_sets="results/{run}/cohorts/{cohort}/enrichment/gene_sets.json",
        factors="results/{run}/cohorts/{cohort}/tables/factors.tsv",
        code=library(
            "evaluation/_gene_sets.py",
            "evaluation/_peers.py",
            "data/matrices.py",
            "data/validation.py",
        ),
    output:
        sets="results/{run}/cohorts/{cohort}/enrichment/peer_gene_sets.json",
    log:
        "results/{run}/logs/{cohort}/peer_gene_sets.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/peer_gene_sets.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    message:
        "Collecting gene sets of factor analysis and NMF of cohort {wildcards.cohort}"
    script:
        "../../scripts/peer_gene_sets.py"


rule enrichment_backgrounds:
    input:
        gene_sets="results/{run}/cohorts/{cohort}/enrichment/gene_sets.json",
        permuted="results/{run}/cohorts/{cohort}/permuted/gene_sets.json",
        factors_permuted="results/{run}/cohorts/{cohort}/permuted/factors.tsv",
        peers="results/{run}/cohorts/{cohort}/enrichment/peer_gene_sets.json",
        factors="results/{run}/cohorts/{cohort}/tables/factors.tsv",
        genes="results/{run}/cohorts/{cohort}/tables/genes.tsv.gz",
        annotation=annotation_of_tests,
        code=library("enrichment/*", "data/validation.py"),
    output:
        table=report(
            "results/{run}/cohorts/{cohort}/tables/enrichment_backgrounds.tsv",
            caption="../report/enrichment_backgrounds.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Section 5: enriched sets against random ones"},
        ),
    log:
        "results/{run}/logs/{cohort}/enrichment_backgrounds.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/enrichment_backgrounds.tsv"
    conda:
        "../../envs/enrichment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
    params:
        settings=lookup(within=config, dpath="cohorts/{cohort}/enrichment"),
        seed=config["seed"],
    message:
        "Testing random gene sets beside those of cohort {wildcards.cohort}"
    script:
        "../../scripts/enrichment_backgrounds.py"

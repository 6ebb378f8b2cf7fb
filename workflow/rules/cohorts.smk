# From published or local counts to the genes that the model sees.


rule go_gene_sets:
    input:
        given=[GO_FILE] if GO_FILE else [],
        code=library("enrichment/*", "pipeline/annotation.py", "data/validation.py"),
    output:
        sets="results/{run}/resources/go_bp.gmt.gz",
    log:
        "results/{run}/logs/go_gene_sets.log",
    benchmark:
        "results/{run}/benchmarks/go_gene_sets.tsv"
    conda:
        "../../envs/enrichment.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=15,
    message:
        "Reading the Gene Ontology processes and their genes"
    script:
        "../../scripts/go_gene_sets.py"


# For cohorts that are tested in R, where a file is given as well.
use rule go_gene_sets as go_gene_sets_of_r with:
    input:
        given=[],
        code=rules.go_gene_sets.input.code,
    output:
        sets="results/{run}/resources/go_bp_of_r.gmt.gz",
    log:
        "results/{run}/logs/go_gene_sets_of_r.log",
    benchmark:
        "results/{run}/benchmarks/go_gene_sets_of_r.tsv"


rule cohort_counts:
    input:
        unpack(cohort_inputs),
        code=library(
            "cohorts/*", "simulate/*", "data/validation.py", "pipeline/yaml_files.py"
        ),
    output:
        counts="results/{run}/cohorts/{cohort}/data/counts.h5ad",
        source="results/{run}/cohorts/{cohort}/data/source.json",
    log:
        "results/{run}/logs/{cohort}/cohort_counts.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/cohort_counts.tsv"
    conda:
        "../../envs/scanpy.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        source=lookup(within=config, dpath="cohorts/{cohort}/source"),
        datasets=lookup(within=config, dpath="cohorts/{cohort}/datasets", default=[]),
        groups=lookup(within=config, dpath="cohorts/{cohort}/groups"),
        group_column=lookup(within=config, dpath="cohorts/{cohort}/group_column"),
        seed=cohort_seed,
        cache="resources/cache",
        data_folder=data_folder,
    message:
        "Bringing the counts of cohort {wildcards.cohort} into one file"
    script:
        "../../scripts/cohort_counts.py"


rule quality_control:
    input:
        counts="results/{run}/cohorts/{cohort}/data/counts.h5ad",
        code=library("preprocess.py", "data/matrices.py", "data/validation.py"),
    output:
        filtered="results/{run}/cohorts/{cohort}/qc/filtered.h5ad",
        steps=report(
            "results/{run}/cohorts/{cohort}/tables/qc_steps.tsv",
            caption="../report/qc_steps.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Appendix C.4: steps of quality control"},
        ),
        samples="results/{run}/cohorts/{cohort}/qc/samples.tsv",
        genes="results/{run}/cohorts/{cohort}/qc/genes.tsv.gz",
        composition=report(
            "results/{run}/cohorts/{cohort}/tables/composition.tsv",
            caption="../report/composition.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Table 1: samples of each group"},
        ),
    log:
        "results/{run}/logs/{cohort}/quality_control.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/quality_control.tsv"
    conda:
        "../../envs/scanpy.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        min_log_library=lookup(
            within=config, dpath="cohorts/{cohort}/qc/min_log_library"
        ),
        min_gene_counts=lookup(
            within=config, dpath="cohorts/{cohort}/qc/min_gene_counts"
        ),
        min_cpm=lookup(within=config, dpath="cohorts/{cohort}/qc/min_cpm"),
        min_cpm_share=lookup(within=config, dpath="cohorts/{cohort}/qc/min_cpm_share"),
    message:
        "Quality control of cohort {wildcards.cohort}"
    script:
        "../../scripts/qc.py"


rule select_genes:
    input:
        filtered="results/{run}/cohorts/{cohort}/qc/filtered.h5ad",
        code=library("preprocess.py", "data/matrices.py", "data/validation.py"),
    output:
        selected="results/{run}/cohorts/{cohort}/data/selected.h5ad",
        genes=report(
            "results/{run}/cohorts/{cohort}/tables/genes.tsv.gz",
            caption="../report/genes.rst",
            category="Cohort {cohort}",
            subcategory="Tables",
            labels={"table": "Section 5: selected genes"},
        ),
    log:
        "results/{run}/logs/{cohort}/select_genes.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/select_genes.tsv"
    conda:
        "../../envs/scanpy.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        n_genes=lookup(within=config, dpath="cohorts/{cohort}/n_genes"),
    message:
        "Selecting the most variable genes of cohort {wildcards.cohort}"
    script:
        "../../scripts/select_genes.py"

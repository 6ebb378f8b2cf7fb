# Figures: each rule reads finished tables and draws one picture, as PDF and PNG.


rule figure_schematic:
    input:
        code=library("figures/*"),
    output:
        pdf="results/{run}/figures/schematic.pdf",
        png=report(
            "results/{run}/figures/schematic.png",
            caption="../report/schematic.rst",
            category="Model",
            labels={"figure": "Figure 1: the model"},
        ),
    log:
        "results/{run}/logs/figure_schematic.log",
    benchmark:
        "results/{run}/benchmarks/figure_schematic.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Drawing the schematic of the model"
    script:
        "../../scripts/figure_schematic.py"


rule figure_qc:
    input:
        samples="results/{run}/cohorts/{cohort}/qc/samples.tsv",
        genes="results/{run}/cohorts/{cohort}/qc/genes.tsv.gz",
        steps="results/{run}/cohorts/{cohort}/tables/qc_steps.tsv",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library("figures/*"),
    output:
        pdf="results/{run}/cohorts/{cohort}/figures/qc.pdf",
        png=report(
            "results/{run}/cohorts/{cohort}/figures/qc.png",
            caption="../report/qc.rst",
            category="Cohort {cohort}",
            subcategory="Figures",
            labels={"figure": "Appendix C.4: quality control"},
        ),
    log:
        "results/{run}/logs/{cohort}/figure_qc.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/figure_qc.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        min_log_library=lookup(
            within=config, dpath="cohorts/{cohort}/qc/min_log_library"
        ),
        min_gene_counts=lookup(
            within=config, dpath="cohorts/{cohort}/qc/min_gene_counts"
        ),
        min_cpm_share=lookup(within=config, dpath="cohorts/{cohort}/qc/min_cpm_share"),
        groups=lookup(within=config, dpath="cohorts/{cohort}/groups"),
        title=lookup(within=config, dpath="cohorts/{cohort}/title"),
    message:
        "Drawing the quality control of cohort {wildcards.cohort}"
    script:
        "../../scripts/figure_qc.py"


rule figure_convergence:
    input:
        history="results/{run}/cohorts/{cohort}/fit/history.tsv",
        factors="results/{run}/cohorts/{cohort}/fit/factors.tsv",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library("figures/*"),
    output:
        pdf="results/{run}/cohorts/{cohort}/figures/convergence.pdf",
        png=report(
            "results/{run}/cohorts/{cohort}/figures/convergence.png",
            caption="../report/convergence.rst",
            category="Cohort {cohort}",
            subcategory="Figures",
            labels={"figure": "Convergence of the fit"},
        ),
    log:
        "results/{run}/logs/{cohort}/figure_convergence.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/figure_convergence.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        title=lookup(within=config, dpath="cohorts/{cohort}/title"),
    message:
        "Drawing the convergence of the fit to cohort {wildcards.cohort}"
    script:
        "../../scripts/figure_convergence.py"


rule figure_masks:
    input:
        masks="results/{run}/cohorts/{cohort}/fit/masks.tsv.gz",
        factors="results/{run}/cohorts/{cohort}/fit/factors.tsv",
        stability=stability_table,
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library("figures/*"),
    output:
        pdf="results/{run}/cohorts/{cohort}/figures/masks.pdf",
        png=report(
            "results/{run}/cohorts/{cohort}/figures/masks.png",
            caption="../report/masks.rst",
            category="Cohort {cohort}",
            subcategory="Figures",
            labels={"figure": "Masks"},
        ),
    log:
        "results/{run}/logs/{cohort}/figure_masks.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/figure_masks.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        title=lookup(within=config, dpath="cohorts/{cohort}/title"),
    message:
        "Drawing the masks of cohort {wildcards.cohort}"
    script:
        "../../scripts/figure_masks.py"


rule figure_processes:
    input:
        table="results/{run}/cohorts/{cohort}/tables/{kind}_processes.tsv",
        summary="results/{run}/cohorts/{cohort}/tables/enrichment_summary.tsv",
        factors="results/{run}/cohorts/{cohort}/tables/factors.tsv",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library("figures/*"),
    output:
        pdf="results/{run}/cohorts/{cohort}/figures/{kind}_processes.pdf",
        png=report(
            "results/{run}/cohorts/{cohort}/figures/{kind}_processes.png",
            caption="../report/processes.rst",
            category="Cohort {cohort}",
            subcategory="Figures",
            labels={"figure": "Figures 4 and 5: processes of {kind} factors"},
        ),
    log:
        "results/{run}/logs/{cohort}/figure_{kind}_processes.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/figure_{kind}_processes.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        kind="{kind}",
        max_share=lookup(within=config, dpath="cohorts/{cohort}/enrichment/max_share"),
        background=lookup(within=config, dpath="cohorts/{cohort}/enrichment/background"),
        title=lookup(within=config, dpath="cohorts/{cohort}/title"),
    message:
        "Drawing the processes of the {wildcards.kind} factors of cohort {wildcards.cohort}"
    script:
        "../../scripts/figure_processes.py"


rule figure_backgrounds:
    input:
        table="results/{run}/cohorts/{cohort}/tables/enrichment_backgrounds.tsv",
        source="results/{run}/cohorts/{cohort}/data/source.json",
        code=library("figures/*"),
    output:
        pdf="results/{run}/cohorts/{cohort}/figures/enrichment_backgrounds.pdf",
        png=report(
            "results/{run}/cohorts/{cohort}/figures/enrichment_backgrounds.png",
            caption="../report/backgrounds.rst",
            category="Cohort {cohort}",
            subcategory="Figures",
            labels={"figure": "Enriched sets against random ones"},
        ),
    log:
        "results/{run}/logs/{cohort}/figure_backgrounds.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/figure_backgrounds.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        title=lookup(within=config, dpath="cohorts/{cohort}/title"),
    message:
        "Drawing the enriched gene sets of cohort {wildcards.cohort} beside random ones"
    script:
        "../../scripts/figure_backgrounds.py"

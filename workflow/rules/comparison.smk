# Factor models of others beside the MSSVAE: the same data, limits and measures for all.


rule compare_data:
    input:
        unpack(lambda wildcards: paths_in(wildcards.dataset)),
        code=studies("comparison/data.py"),
        simulators=library("simulate/*.py", "preprocess.py"),
        planted=str(REPOSITORY / "config/planted.yaml"),
    output:
        data="results/{run}/comparison/data/{dataset}/{replicate}.h5ad",
    log:
        "results/{run}/logs/comparison/{dataset}/{replicate}/data.log",
    benchmark:
        "results/{run}/benchmarks/comparison/{dataset}/{replicate}/data.tsv"
    wildcard_constraints:
        dataset=any_of(COMPARED),
        replicate=any_of(COMPARED_REPLICATES),
    conda:
        "../../envs/scanpy.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=15,
    params:
        reader=lookup(within=config, dpath="comparison/data/{dataset}/reader"),
        arguments=lookup(within=config, dpath="comparison/data/{dataset}/arguments"),
        paths=lambda wildcards: paths_in(wildcards.dataset),
        seed=lambda wildcards: compared_seeds(wildcards)["data"],
    message:
        "Reading or simulating replicate {wildcards.replicate} of {wildcards.dataset}"
    script:
        "../../scripts/compare_data.py"


rule compare_fits:
    input:
        data="results/{run}/comparison/data/{dataset}/{replicate}.h5ad",
        gene_sets=compared_gene_sets,
        code=compared_file,
    output:
        fits=directory("results/{run}/comparison/fits/{dataset}/{replicate}/{method}"),
    log:
        "results/{run}/logs/comparison/{dataset}/{replicate}/{method}/fits.log",
    benchmark:
        "results/{run}/benchmarks/comparison/{dataset}/{replicate}/{method}/fits.tsv"
    wildcard_constraints:
        dataset=any_of(COMPARED),
        replicate=any_of(COMPARED_REPLICATES),
        method=any_of(COMPARISON["methods"]),
    conda:
        "../../envs/model.yaml"
    # The same for all methods.
    threads: 1
    resources:
        mem_mb=lambda wildcards: COMPARISON["limits"]["memory_mib"] + 1000,
        runtime=720,
    params:
        file=lookup(within=config, dpath="comparison/methods/{method}/file"),
        settings=compared_settings,
        problem=compared_problem,
        names=lookup(within=config, dpath="comparison/data/{dataset}/fits"),
        limits=COMPARISON["limits"],
        python=compared_python,
        environment=lookup(
            within=config, dpath="comparison/methods/{method}/environment"
        ),
    message:
        "Fitting {wildcards.method} to replicate {wildcards.replicate} of {wildcards.dataset}"
    script:
        "../../scripts/compare_fits.py"


rule compare_measures:
    input:
        data="results/{run}/comparison/data/{dataset}/{replicate}.h5ad",
        fits="results/{run}/comparison/fits/{dataset}/{replicate}/{method}",
        annotation=compared_annotation,
        code=studies("comparison/measures.py", "comparison/known.py"),
        measures=library(
            "metrics.py", "replicates.py", "evaluation/_agreement.py", "enrichment/*"
        ),
    output:
        table="results/{run}/comparison/measures/{dataset}/{replicate}/{method}.tsv",
    log:
        "results/{run}/logs/comparison/{dataset}/{replicate}/{method}/measures.log",
    benchmark:
        "results/{run}/benchmarks/comparison/{dataset}/{replicate}/{method}/measures.tsv"
    wildcard_constraints:
        dataset=any_of(COMPARED),
        replicate=any_of(COMPARED_REPLICATES),
        method=any_of(COMPARISON["methods"]),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        max_column_share=lookup(
            within=config, dpath="comparison/data/{dataset}/max_column_share"
        ),
    message:
        "Measuring {wildcards.method} on replicate {wildcards.replicate} of {wildcards.dataset}"
    script:
        "../../scripts/compare_measures.py"


rule comparison:
    input:
        tables=compared_measures,
    output:
        table=report(
            "results/{run}/comparison/tables/comparison.tsv",
            caption="../report/comparison.rst",
            category="Comparison",
            labels={"table": "All methods on all data"},
        ),
    log:
        "results/{run}/logs/comparison/comparison.log",
    benchmark:
        "results/{run}/benchmarks/comparison/comparison.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Collecting the measures of all methods on all data"
    script:
        "../../scripts/comparison.py"


rule figure_comparison:
    input:
        table="results/{run}/comparison/tables/comparison.tsv",
        code=library("figures/*"),
    output:
        pdf="results/{run}/comparison/figures/{kind}_comparison.pdf",
        png=report(
            "results/{run}/comparison/figures/{kind}_comparison.png",
            caption="../report/comparison_figure.rst",
            category="Comparison",
            labels={"figure": "All methods on {kind} data"},
        ),
    log:
        "results/{run}/logs/comparison/figure_comparison/{kind}.log",
    benchmark:
        "results/{run}/benchmarks/comparison/figure_comparison/{kind}.tsv"
    wildcard_constraints:
        kind=any_of(COMPARED_KINDS),
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        data=lambda wildcards: {
            name: COMPARISON["data"][name]["title"]
            for name in COMPARED_KINDS[wildcards.kind]
        },
        methods={name: about["title"] for name, about in COMPARISON["methods"].items()},
        ours=[
            name
            for name, about in COMPARISON["methods"].items()
            if about["file"] == "mssvae"
        ],
    message:
        "Drawing all methods on {wildcards.kind} data"
    script:
        "../../scripts/figure_comparison.py"

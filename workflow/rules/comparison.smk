# Factor models of others beside the MSSVAE: the same data, limits and measures for all.

COMPARISON = config.get("comparison", {"data": {}, "methods": {}, "limits": {}})


def paths_in(dataset):
    """The arguments of a reader that are paths, by name."""
    arguments = COMPARISON["data"][dataset]["arguments"].items()
    return {
        key: full_path(value)
        for key, value in arguments
        if isinstance(value, str) and "/" in value
    }


# Those whose files are there.
COMPARED = []
for name in COMPARISON["data"]:
    if absent := [path for path in paths_in(name).values() if not Path(path).exists()]:
        logger.warning(
            f"The comparison goes without the data {name}: there is no {absent[0]}."
        )
    else:
        COMPARED.append(name)

COMPARED_FILES = [
    f"results/{config['run']}/comparison/{name}"
    for name in ("tables/comparison.tsv", "figures/comparison.pdf")
    if COMPARED
]
COMPARED_REPLICATES = {
    replicate
    for dataset in COMPARED
    for replicate in COMPARISON["data"][dataset]["replicates"]
}


def studies(*patterns):
    """Files of the study that a rule depends on."""
    folder = REPOSITORY / "studies"
    return sorted(str(path) for pattern in patterns for path in folder.glob(pattern))


def compared_seeds(wildcards):
    """The seeds of a replicate: "data" and "fit"; the latter of 31 bits, as some methods want it."""
    from mssvae.replicates import seeds

    found = seeds(
        COMPARISON["master_seed"], wildcards.dataset, int(wildcards.replicate)
    )
    return {"data": found["data"], "fit": found["fit"] % 2**31}


def compared_file(wildcards):
    """The code of a method and of what it runs in."""
    name = COMPARISON["methods"][wildcards.method]["file"]
    runner = ["fitting", "interface", "linear", f"methods/{name}"]
    of_library = [*FIT_SOURCES, "results/*.py"] if name == "mssvae" else []
    return [
        *studies(*(f"comparison/{part}.py" for part in runner)),
        *library("evaluation/_peers.py", "evaluation/_unseen.py", *of_library),
    ]


def compared_python(wildcards):
    """The Python of a method's packages: this one, or that of envs/peers.txt."""
    if COMPARISON["methods"][wildcards.method]["environment"] == "own":
        return None
    own = Path(".peers/bin/python")
    return os.environ.get("MSSVAE_PEERS") or (str(own) if own.exists() else "")


def compared_settings(wildcards):
    """The settings of a method, those for these data first."""
    of_method = COMPARISON["methods"][wildcards.method]["settings"]
    of_data = COMPARISON["data"][wildcards.dataset]["settings"]
    return of_method | of_data.get(wildcards.method, {})


def compared_problem(wildcards):
    """What a method is told about the data."""
    about = COMPARISON["data"][wildcards.dataset]
    return {
        "likelihood": about["likelihood"],
        "n_factors": about["n_factors"],
        **about["model"],
        "seed": compared_seeds(wildcards)["fit"],
    }


def compared_measures(wildcards):
    """The measures of every method on every replicate of all data."""
    return [
        f"results/{{run}}/comparison/measures/{dataset}/{replicate}/{method}.tsv"
        for dataset in COMPARED
        for replicate in COMPARISON["data"][dataset]["replicates"]
        for method in COMPARISON["methods"]
        if method not in COMPARISON["data"][dataset]["without"]
    ]


rule compare_data:
    input:
        unpack(lambda wildcards: paths_in(wildcards.dataset)),
        code=studies("comparison/data.py"),
        simulators=library("simulate/*.py"),
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
    message:
        "Fitting {wildcards.method} to replicate {wildcards.replicate} of {wildcards.dataset}"
    script:
        "../../scripts/compare_fits.py"


rule compare_measures:
    input:
        data="results/{run}/comparison/data/{dataset}/{replicate}.h5ad",
        fits="results/{run}/comparison/fits/{dataset}/{replicate}/{method}",
        code=studies("comparison/measures.py"),
        measures=library("metrics.py", "replicates.py", "evaluation/_agreement.py"),
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
        pdf="results/{run}/comparison/figures/comparison.pdf",
        png=report(
            "results/{run}/comparison/figures/comparison.png",
            caption="../report/comparison_figure.rst",
            category="Comparison",
            labels={"figure": "All methods on all data"},
        ),
    log:
        "results/{run}/logs/comparison/figure_comparison.log",
    benchmark:
        "results/{run}/benchmarks/comparison/figure_comparison.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        data={name: COMPARISON["data"][name]["title"] for name in COMPARED},
        methods={name: about["title"] for name, about in COMPARISON["methods"].items()},
        ours=[
            name
            for name, about in COMPARISON["methods"].items()
            if about["file"] == "mssvae"
        ],
    message:
        "Drawing all methods on all data"
    script:
        "../../scripts/figure_comparison.py"

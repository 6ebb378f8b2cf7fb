# What the studies beside the library share with their rules: settings, data that are there, seeds.

NO_REPLICATES = {"development": [], "reported": []}
TALK = config.get(
    "talk", {"design": {}, "replicates": NO_REPLICATES, "methods": {}, "data": {}}
)
ASSUMPTIONS = config.get(
    "assumptions", {"master_seed": None, "replicates": NO_REPLICATES}
)
SUPERVISED = config.get(
    "supervised",
    {"title": "", "counts": "", "design": {"small": ""}, "replicates": NO_REPLICATES},
)

# Disease from factors, where its counts are there.
SUPERVISED_FILES = []
if SUPERVISED["replicates"]["reported"] and are_there(
    [full_path(SUPERVISED["counts"])],
    "Disease is not predicted from factors",
):
    SUPERVISED_FILES = [f"results/{config['run']}/supervised/figures/supervised.pdf"]


# Factor models of others beside the MSSVAE.
COMPARISON = config.get("comparison", {"data": {}, "methods": {}, "limits": {}})


def paths_in(dataset):
    """The arguments of a reader that are paths, by name."""
    arguments = COMPARISON["data"][dataset]["arguments"].items()
    return {
        key: full_path(value)
        for key, value in arguments
        if isinstance(value, str) and "/" in value
    }


COMPARED = [
    name
    for name in COMPARISON["data"]
    if are_there(
        paths_in(name).values(),
        f"The comparison goes without the data {name}",
    )
]
TALK_DATA = [
    name
    for name, about in TALK["data"].items()
    if are_there(
        [full_path(about["path"])],
        f"The talk's study goes without the data {name}",
        f" Get it from {about['address']} and put it there.",
    )
]

# A figure each.
COMPARED_KINDS = {"simulated": [], "real": []}
for name in COMPARED:
    simulated = COMPARISON["data"][name]["reader"].startswith("simulated_")
    COMPARED_KINDS["simulated" if simulated else "real"].append(name)

COMPARED_FILES = [
    f"results/{config['run']}/comparison/{name}"
    for name in (
        *(["tables/comparison.tsv"] if COMPARED else []),
        *(
            f"figures/{kind}_comparison.pdf"
            for kind, names in COMPARED_KINDS.items()
            if names
        ),
    )
]
COMPARED_REPLICATES = {
    replicate
    for dataset in COMPARED
    for replicate in COMPARISON["data"][dataset]["replicates"]
}


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
    """The Python of a method's packages: this one, or that of their environment, if it is there."""
    name = COMPARISON["methods"][wildcards.method]["environment"]
    if name == "own":
        return None
    own = Path(f".{name}/bin/python")
    return os.environ.get(f"MSSVAE_{name.upper()}") or (
        str(own) if own.exists() else ""
    )


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


def compared_annotation(wildcards):
    """GO gene sets for data of human genes, where they can be had."""
    counted = COMPARISON["data"][wildcards.dataset]["processes"] == "go"
    return [GO_SETS] if counted and (R_IS_THERE or GO_FILE) else []


def compared_gene_sets(wildcards):
    """GO gene sets for a method that is given such, where they can be had."""
    given = COMPARISON["methods"][wildcards.method]["gene_sets"]
    return compared_annotation(wildcards) if given else []


def compared_measures(wildcards):
    """The measures of every method on every replicate of all data."""
    return [
        f"results/{{run}}/comparison/measures/{dataset}/{replicate}/{method}.tsv"
        for dataset in COMPARED
        for replicate in COMPARISON["data"][dataset]["replicates"]
        for method in COMPARISON["methods"]
        if method not in COMPARISON["data"][dataset]["without"]
    ]


def talk_design(wildcards):
    """What is the same for all methods on some real data."""
    about = TALK["data"][wildcards.dataset]
    return about["design"] | {"master_seed": TALK["design"]["master_seed"]}


def talk_settings(wildcards):
    """A method's settings, those for some real data first."""
    of_data = TALK["data"][wildcards.dataset]["settings"]
    return TALK["methods"][wildcards.method] | of_data.get(wildcards.method, {})

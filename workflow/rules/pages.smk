# Pages for a browser: all factors, and all tables. They load nothing from anywhere else.


rule gene_names:
    input:
        genes="results/{run}/cohorts/{cohort}/fit/masks.tsv.gz",
        code=library("enrichment/*", "data/validation.py"),
    output:
        names="results/{run}/cohorts/{cohort}/tables/gene_names.tsv.gz",
    log:
        "results/{run}/logs/{cohort}/gene_names.log",
    benchmark:
        "results/{run}/benchmarks/{cohort}/gene_names.tsv"
    conda:
        "../../envs/enrichment.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=10,
    message:
        "Looking up what the genes of cohort {wildcards.cohort} are called"
    script:
        "../../scripts/gene_names.py"


rule explorer:
    input:
        masks=collect(
            "results/{{run}}/cohorts/{cohort}/fit/masks.tsv.gz", cohort=COHORTS
        ),
        latent=collect(
            "results/{{run}}/cohorts/{cohort}/fit/latent.tsv.gz", cohort=COHORTS
        ),
        frequency=collect(
            "results/{{run}}/cohorts/{cohort}/fit/frequency.tsv.gz", cohort=SUBSAMPLED
        ),
        manifest=collect(
            "results/{{run}}/cohorts/{cohort}/fit/manifest.json", cohort=COHORTS
        ),
        factors=collect(
            "results/{{run}}/cohorts/{cohort}/tables/factors.tsv", cohort=COHORTS
        ),
        terms=collect(
            "results/{{run}}/cohorts/{cohort}/enrichment/terms.tsv.gz", cohort=ENRICHED
        ),
        samples=collect(
            "results/{{run}}/cohorts/{cohort}/qc/samples.tsv", cohort=COHORTS
        ),
        names=collect(
            "results/{{run}}/cohorts/{cohort}/tables/gene_names.tsv.gz",
            cohort=ENRICHED,
        ),
        code=library("pages/*", "figures/_common.py"),
    output:
        # Not in the report: browsers open no page of this size from within another one.
        page="results/{run}/explorer.html",
    log:
        "results/{run}/logs/explorer.log",
    benchmark:
        "results/{run}/benchmarks/explorer.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=10,
    params:
        cohorts=list(COHORTS),
        enriched=ENRICHED,
        subsampled=SUBSAMPLED,
        # A function, as Snakemake would look for wildcards in the braces of titles.
        titles=lambda wildcards: [cohort["title"] for cohort in COHORTS.values()],
        thresholds=[cohort["gene_set_threshold"] for cohort in COHORTS.values()],
        fdrs=[cohort["enrichment"]["fdr"] for cohort in COHORTS.values()],
    message:
        "Building the page to look through the factors"
    script:
        "../../scripts/explorer.py"


rule tables_page:
    input:
        settings="results/{run}/tables/settings.tsv",
        cohorts=cohort_tables(),
        simulations=branch(
            bool(SETTINGS), then=["results/{run}/tables/simulations.csv"], otherwise=[]
        ),
        manifests=list(manifests().values()),
        captions=captions(),
        code=library("pages/*", "provenance.py"),
    output:
        page=report(
            "results/{run}/tables.html",
            caption="../report/tables.rst",
            category="All tables, settings and provenance",
            labels={"page": "All tables, settings and provenance"},
        ),
    log:
        "results/{run}/logs/tables_page.log",
    benchmark:
        "results/{run}/benchmarks/tables_page.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=10,
    params:
        names=list(manifests()),
    message:
        "Showing all tables on a page"
    script:
        "../../scripts/tables_page.py"


rule findings:
    input:
        factors=collect(
            "results/{{run}}/cohorts/{cohort}/tables/factors.tsv", cohort=COHORTS
        ),
        shares=collect(
            "results/{{run}}/cohorts/{cohort}/tables/enriched_shares.tsv",
            cohort=ENRICHED,
        ),
        unseen=collect(
            "results/{{run}}/cohorts/{cohort}/tables/unseen.tsv", cohort=EVALUATED
        ),
        backgrounds=collect(
            "results/{{run}}/cohorts/{cohort}/tables/enrichment_backgrounds.tsv",
            cohort=ENRICHED,
        ),
        summary=branch(
            bool(SETTINGS), then=["results/{run}/tables/simulations.csv"], otherwise=[]
        ),
        talk=branch(
            bool(TALK["methods"]),
            then=["results/{run}/talk/summary.tsv"],
            otherwise=[],
        ),
        assumptions=branch(
            bool(ASSUMPTIONS["replicates"]["reported"]),
            then=["results/{run}/assumptions/summary.tsv"],
            otherwise=[],
        ),
        code=library("pages/_findings.py"),
    output:
        # The front page of the report includes it.
        findings="results/{run}/findings.rst",
    log:
        "results/{run}/logs/findings.log",
    benchmark:
        "results/{run}/benchmarks/findings.tsv"
    conda:
        "../../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cohorts=list(COHORTS),
        enriched=ENRICHED,
        evaluated=EVALUATED,
        background=[COHORTS[name]["enrichment"]["background"] for name in ENRICHED],
        # Functions, as Snakemake would look for wildcards in the braces of titles.
        titles=lambda wildcards: [cohort["title"] for cohort in COHORTS.values()],
        simulations=lambda wildcards: {
            name: setting["title"] for name, setting in SETTINGS.items()
        },
    message:
        "Saying what the run found"
    script:
        "../../scripts/findings.py"

# The workflow lives in workflow/; this file lets `snakemake` find it from the repository's root.
include: "workflow/Snakefile"


workflow.default_target = "all"

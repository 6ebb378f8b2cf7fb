"""What Snakemake itself reads: configs, YAML, and what of R is there. It need not have pandas."""

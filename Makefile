# `make reproduce`: from counts to figures, small version.  `make test`: the test suite.
# `make report`: figures, tables and runtimes of the small version in one file, results/quick/report.html.
# `make pictures`: the pictures of the README from these results; SIMULATIONS=results/paper takes the one
# of the Gaussian study from another run.
# `make test-slurm`: the workflow through the queue of a real Slurm, started and stopped for it.
# `make benchmark`: time, memory and recovery of ways to evaluate the decoder, in results/benchmark/.
# All set up what they need first; `make setup` does just that.

PYTHON ?= python3
CORES ?= $(shell nproc)
SIMULATIONS ?= results/quick
SNAKEMAKE = .venv/bin/snakemake --cores $(CORES)
R_PACKAGES = r-base-core r-bioc-annotationdbi r-bioc-org.hs.eg.db r-bioc-go.db
SLURM_PACKAGES = slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge

.PHONY: setup reproduce report pictures test test-slurm benchmark

setup: .venv/.complete
	@sh scripts/setup_r.sh $(R_PACKAGES)

.venv/.complete: envs/requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --disable-pip-version-check -q -r envs/requirements.txt
	.venv/bin/pip install --disable-pip-version-check -q --no-deps -e .
	@touch $@

reproduce: setup
	$(SNAKEMAKE) --configfile config/quick.yaml
	@echo; echo "Figures:"; ls results/quick/figures/*.pdf results/quick/*/*/figures/*.pdf
	@echo "Tables:"; ls results/quick/tables/* results/quick/cohorts/*/tables/* results/quick/simulations/*/*.csv

report: setup  # of what `make reproduce` made
	$(SNAKEMAKE) --configfile config/quick.yaml --report results/quick/report.html

pictures: setup  # of what `make reproduce` made; Chromium must be installed
	.venv/bin/python scripts/pictures.py results/quick $(SIMULATIONS) docs/images

test: setup
	.venv/bin/python -m pytest

test-slurm: setup
	@sh scripts/setup_slurm.sh $(SLURM_PACKAGES)
	.venv/bin/python -m pytest tests/slurm

benchmark: setup
	.venv/bin/python scripts/benchmark.py

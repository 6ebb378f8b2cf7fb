# `make reproduce`: from counts to figures, small version.  `make test`: the test suite.
# `make report`: figures, tables and runtimes of the small version in one file, results/quick/report.html.
# `make pictures`: the pictures of the README from these results; SIMULATIONS=results/paper takes the one
# of the Gaussian study from another run.
# `make test-studies`: tests of the studies beside the library: comparisons, planted cohorts, benchmark.
# `make test-slurm`: the workflow through the queue of a real Slurm, started and stopped for it.
# `make test-fresh`: both commands on a Debian with nothing but Python, venv, make and git, made for it.
# `make peers`, `make spectra`: the packages of other models for the comparison (docs/comparison.md), in
# .peers/ and .spectra/, 3.5 GB.
# `make benchmark`: time, memory and recovery of ways to evaluate the decoder, in results/benchmark/.
# All set up what they need first; `make setup` does just that.

PYTHON ?= python3
CORES ?= $(shell nproc)
SIMULATIONS ?= results/quick
PIP = .venv/bin/pip install --disable-pip-version-check -q
PYTEST = OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n auto --dist loadscope
SNAKEMAKE = .venv/bin/snakemake --cores $(CORES)
R_PACKAGES = r-base-core r-bioc-annotationdbi r-bioc-org.hs.eg.db r-bioc-go.db
SLURM_PACKAGES = slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge

.PHONY: setup peers spectra reproduce report pictures test test-studies test-slurm test-fresh benchmark

setup: .venv/.complete
	@sh scripts/setup_r.sh $(R_PACKAGES)

# rpy2 in its mode ABI finds R when it runs: it installs without R and without a compiler, and takes
# whichever R is there. Not from pip's cache, which may hold one built for another R.
.venv/.complete: envs/requirements.txt envs/rpy2.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) -r envs/requirements.txt
	RPY2_CFFI_MODE=ABI $(PIP) --no-deps --no-cache-dir --force-reinstall -r envs/rpy2.txt
	$(PIP) --no-deps -e .
	@touch $@

peers spectra: %: .%/.complete

.peers/.complete .spectra/.complete: .%/.complete: envs/%.txt
	$(PYTHON) -m venv .$*
	.$*/bin/pip install --disable-pip-version-check -q -r $<
	@touch $@

reproduce: setup
	$(SNAKEMAKE) --configfile config/quick.yaml
	@.venv/bin/python scripts/list_results.py results/quick

report: setup  # of what `make reproduce` made
	$(SNAKEMAKE) --configfile config/quick.yaml --report results/quick/report.html

pictures: setup  # of what `make reproduce` made; Chromium must be installed
	.venv/bin/python scripts/pictures.py results/quick $(SIMULATIONS) docs/images

test: setup
	$(PYTEST)

test-studies: setup
	$(PYTEST) tests/studies

test-slurm: setup
	@sh scripts/setup_slurm.sh $(SLURM_PACKAGES)
	.venv/bin/python -m pytest tests/slurm

test-fresh:
	@$(PYTHON) tests/fresh/two_commands.py

benchmark: setup
	.venv/bin/python scripts/benchmark.py

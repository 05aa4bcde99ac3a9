# laptop by default, or what the files of CONFIG lie upon.
SIZE ?=
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
PROFILE ?= default
STUDIES ?=
# A size file or overlays, such as config/overlays/ace_broken.yaml; each names its size and studies.
CONFIG ?=
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The jobs of the workflow call `symbench`, so they need the environment on their path too.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Snakemake may itself run in a job of Slurm, whose variables are not for its jobs.
unexport $(filter-out SLURM_CONF,$(filter SLURM_%,$(.VARIABLES)))
# Of tests and benchmarks: cpu, cuda, or one GPU such as cuda:1. A run takes a GPU where there is one.
DEVICE ?= cpu
# Anything else for Snakemake.
OPTIONS ?=
# On a cluster the profile says how many jobs run; cores would be those of all jobs together.
SNAKEMAKE := $(BIN)/snakemake $(OPTIONS) $(if $(filter default,$(PROFILE)),--cores $(CORES)) \
	--workflow-profile profiles/$(PROFILE)
# Files of CONFIG for the shell: one, whose name may hold spaces, or several.
FILES := $(if $(shell test -f '$(CONFIG)' && echo one),'$(CONFIG)',$(CONFIG))
# The chosen size and studies, for Snakemake and for our own commands.
CHOICE := $(if $(SIZE),size=$(SIZE)) $(if $(STUDIES),studies="$(STUDIES)")
REPRODUCE := $(SNAKEMAKE) $(if $(strip $(CHOICE)),--config $(CHOICE)) \
	$(if $(CONFIG),--configfile $(FILES))
CHOSEN := $(if $(SIZE),--config config/sizes/$(SIZE).yaml) \
	$(if $(filter '%,$(FILES)),--config $(FILES),$(addprefix --config ,$(FILES))) $(addprefix --study ,$(STUDIES))

.PHONY: reproduce times download tune repair test lint unit smoke test-slurm test-faults report benchmark reference book docs \
	wheel lock container apptainer schema clean

reproduce: $(VENV)/installed
	$(REPRODUCE)
	@$(BIN)/symbench where $(CHOSEN)

# Settings of every arm by validation data, where studies have the key `tuning`.
tune: $(VENV)/installed
	$(REPRODUCE) -- tuned
	@$(BIN)/symbench where --tuning $(CHOSEN)

# Times of predictions, with no other job beside them, and the report with them.
times: $(VENV)/installed
	$(REPRODUCE) -- timed
	$(REPRODUCE)
	@$(BIN)/symbench where $(CHOSEN)

# Data and weights of others, where there is a network: sizes first, and no more than LIMIT_GB where it is given.
LIMIT_GB ?=
download: $(VENV)/installed
	$(BIN)/symbench downloads $(CHOSEN) $(if $(LIMIT_GB),--limit-gb $(LIMIT_GB))
	$(REPRODUCE) -- downloads

# Stage by stage: Snakemake makes anew whatever follows from a file that it makes in the same run, but not what follows
# from one that was made before and came out the same. A path a line: folders may have spaces in their names.
repair: $(VENV)/installed
	gone=$$($(BIN)/symbench check-results $(CHOSEN) --remove-damaged) && set -f && IFS="$$(printf '\n\t')" && \
		for stage in fetch audit; do $(REPRODUCE) --until $$stage -- all $$gone || exit; done && \
		$(REPRODUCE) -- trained $$gone
	$(REPRODUCE)

test: lint unit smoke

# Faults of `make test-slurm`; `make test-faults` has its own.
STRIKES ?= 0

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/hadolint workflow/envs/Dockerfile
	$(BIN)/shellcheck .ci/run $(wildcard tests/slurm/*.sh profiles/*/*.sh workflow/envs/*.sh)

unit: $(VENV)/installed
	SYMBENCH_DEVICE=$(DEVICE) $(BIN)/pytest -n auto

smoke: $(VENV)/installed
	SYMBENCH_DEVICE=$(DEVICE) $(SNAKEMAKE) --config size=smoke $(if $(STUDIES),studies="$(STUDIES)")
	$(BIN)/symbench check-results --config config/sizes/smoke.yaml $(addprefix --study ,$(STUDIES))

test-slurm: $(VENV)/installed
	STUDIES="$(STUDIES)" OVERLAY="$(CONFIG)" STRIKES="$(STRIKES)" tests/slurm/run.sh

test-faults: $(VENV)/installed
	$(BIN)/python -m tests.faults --strikes 54 --pause 9 --studies "$(STUDIES)" --output results/reference/faults

report: $(VENV)/installed
	$(REPRODUCE) --report "$$($(BIN)/symbench where $(CHOSEN) --folder)/snakemake_report.html"

benchmark: $(VENV)/installed
	$(BIN)/python -m benchmarks --device $(DEVICE)

reference: reproduce
	$(BIN)/symbench reference $(CHOSEN) --output results/reference
	$(BIN)/python -m benchmarks.treatments
	$(if $(CONFIG)$(filter-out laptop,$(SIZE)),,cp results/laptop/group_averaging/figures/gain.png \
		docs/figures/group_averaging_gain.png)

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

wheel: $(VENV)/installed
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

book: $(VENV)/installed
	$(BIN)/symbench book docs/claims.md

lock:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
		--extra test --no-header --output-file requirements.lock pyproject.toml

# The environment as an image, by docker or podman; and as the one file that Apptainer wants.
ENGINE ?= docker
IMAGE := workflow/envs/symbench
container:
	$(ENGINE) build --tag symbench --file workflow/envs/Dockerfile .

apptainer: container
	$(ENGINE) save --output $(IMAGE).tar symbench
	apptainer build --force $(IMAGE).sif docker-archive:$(IMAGE).tar
	rm $(IMAGE).tar

schema: $(VENV)/installed
	$(BIN)/symbench schema --output config/schema.json

clean:
	rm -rf $(VENV) .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

# An environment knows the folder that it was made in: one that was moved or copied with the checkout is made anew.
# The lock file names all that is needed, and modules are compiled when they are first imported: most never are.
MOVED := $(shell [ -e $(VENV)/installed ] && [ "$$(cat $(VENV)/installed)" != '$(CURDIR)' ] && echo moved)
.PHONY: moved
$(VENV)/installed: requirements.lock pyproject.toml $(MOVED)
	$(PYTHON) -m venv $(if $(MOVED),--clear) $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-compile \
		--requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@echo '$(CURDIR)' > $@

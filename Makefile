# `make` alone lists the targets. A fresh machine needs Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
# Interpreted code in the checkout is in $(VENV), the same code compiled in $(FAST_VENV).
FAST_VENV := .venv-fast
FAST_READY := $(FAST_VENV)/.ready
TICKETSIM := $(FAST_VENV)/bin/ticketsim
FAST_PYTHON = $$(dirname "$$(readlink -f $(TICKETSIM))")/python
COMPILES = echo '\#include <Python.h>' | $${CC:-cc} -fsyntax-only -x c \
	-I "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" -
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
	--fork-strategy fewest --no-annotate --custom-compile-command "make lock" --quiet

PARALLEL := --numprocesses=logical --maxprocesses=4 --dist=worksteal
# Which of the contract tests: all, or those of one marker.
MARKS ?=

.DEFAULT_GOAL := help
.PHONY: help setup digests matrix fuzz-apps reference fast fast-check incident test bench contract fuzz fuzz-configs fuzz-fastapi audit notebooks notebooks-run scale-check fixes fixes-everywhere fixes-planned fixes-full worlds coverage explain explain-full lint types layers lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## create .venv from the lock file (does nothing when it is up to date)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("ticketsim needs Python 3.11 or newer: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

fast: ## compile what takes most of the time into .venv-fast; what runs long uses it
	@if [ -L $(TICKETSIM) ]; then rm $(FAST_READY); fi
	@$(MAKE) --no-print-directory $(FAST_READY)
	@test ! -L $(TICKETSIM)

# Its libraries are those of $(VENV). Where nothing can be compiled, the program there is used.
$(FAST_READY): $(READY) setup.py $(shell find model sim experiments ticketsim pytest_ticketsim -type f -not -name '*.pyc')
	@rm -rf $(FAST_VENV); mkdir -p $(FAST_VENV)
	@echo "compiling into $(FAST_VENV): about a minute, once"
	@if $(COMPILES) \
		&& $(BIN)/python -m venv --without-pip $(FAST_VENV) \
		&& $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
			>"$$($(FAST_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/libraries.pth" \
		&& TICKETSIM_COMPILE=$(FAST_VENV)/build $(PIP) --python $(FAST_VENV)/bin/python \
			install --no-deps --no-build-isolation --ignore-installed .; \
	then :; fi >$(FAST_VENV)/build.log 2>&1
	@if ! [ -x $(TICKETSIM) ]; then mkdir -p $(FAST_VENV)/bin; ln -sf ../../$(BIN)/ticketsim $(TICKETSIM); \
		echo "not compiled ($(FAST_VENV)/build.log says why): it takes longer"; fi
	@touch $@

fast-check: $(FAST_READY) ## the compiled program has the results of the interpreted one
	@if [ -L $(TICKETSIM) ] && ! { $(COMPILES); } 2>/dev/null; then echo "no C compiler, or no Python.h: not checked"; \
	else TICKETSIM_REQUIRE_FAST=1 $(BIN)/python -m pytest tests/worlds/results/test_compiled.py; fi

incident: $(FAST_READY) ## the main job: the incident, in every world that fits what was observed
	$(TICKETSIM) run incident

test: $(READY) ## every test but the slowest comparisons with a real redis-server
	@$(BIN)/python -m pytest $(PARALLEL)

contract: $(READY) ## only the tests against real programs, the slowest too; needs redis-server
	@command -v redis-server >/dev/null || { echo "make contract: no redis-server on the path, and nothing is installed for you."; \
		echo "Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis"; exit 1; }
	@TICKETSIM_REQUIRE_PEERS=$${TICKETSIM_REQUIRE_PEERS-1} $(BIN)/python -m pytest tests/contract -m "$(MARKS)"

matrix: $(READY) ## the wheel beside other versions of Flask, Django, SQLAlchemy, redis-py and Python
	$(BIN)/python -m tools.version_matrix

fuzz-apps: $(FAST_READY) ## 1,000 seeds of each repaired shop, no invariant broken (half an hour); resumes
	$(TICKETSIM) fuzz examples/flask_shop/shop.toml --seeds 1000 --keep-going --set load.vus=8 \
		--set 'customer.script="shop_sim:rush"' --set 'app.env.SHOP_INSIDE="3"' \
		--set 'app.env.SHOP_LOCKS_SEATS="1"' --set 'app.env.SHOP_ADMITS_ATOMICALLY="1"' \
		--out runs/fuzz-flask-shop
	$(TICKETSIM) fuzz examples/django_shop/shop.toml --seeds 1000 --keep-going --set load.vus=8 \
		--set 'app.env.SHOP_LOCKS_SEATS="1"' --out runs/fuzz-django-shop
	$(TICKETSIM) fuzz examples/flash_sale/shop.toml --seeds 1000 --keep-going --set load.vus=8 \
		--set 'customer.script="flash_sale_sim:rush"' --set 'app.env.SALE_STOCK="3"' --set 'app.env.SALE_UNPAID_S="2"' \
		--set 'app.env.SALE_RESERVES_ATOMICALLY="1"' --set 'app.env.SALE_CHANGES_STATUS_ONCE="1"' \
		--out runs/fuzz-flash-sale

reference: $(READY) ## write docs/reference again
	$(BIN)/python -m tools.reference

digests: $(READY) ## write tests/golden/digests.toml again, after a change of the simulated world
	$(BIN)/python -m tools.digests $(NAMES)

notebooks: $(READY) ## open the notebooks in JupyterLab (installs it at the first time)
	$(PIP) install --require-hashes --requirement requirements-notebooks.lock
	$(BIN)/jupyter lab notebooks

notebooks-run: $(READY) ## run every notebook again and save what it shows
	$(BIN)/python notebooks/execute.py

scale-check: $(FAST_READY) ## the incident at several scales, five seeds each (minutes)
	$(FAST_PYTHON) -P -m experiments.studies.scale_check experiments/shipped/data/scale_check.toml

fixes: $(FAST_READY) ## fixes, and sets of up to three groups of them, in ten of the incident's worlds (a quarter of an hour); resumes
	$(TICKETSIM) compare incident --variants first-fixes --sets-of fix-groups --replications 10 --out runs/fixes

fixes-everywhere: $(FAST_READY) ## the fixes to do first, in all forty worlds (ten minutes); resumes
	$(TICKETSIM) compare incident --variants first-three,all-fixes,stopgaps,F9 --replications 40 --out runs/fixes-everywhere

fixes-planned: $(FAST_READY) ## every shipped fix, the plan's 30,000 people at a tenth of the size; resumes
	$(TICKETSIM) compare incident-as-planned --scale 0.1 --replications 3 --out runs/fixes-planned

fixes-full: $(FAST_READY) ## the same at full size: hours; resumes where it stopped
	$(TICKETSIM) compare incident-as-planned --replications 3 --workers 2 --out runs/fixes-full

worlds: $(READY) ## ship the draws of runs/explain, and the record of runs/fixes-everywhere, as data
	$(BIN)/python -m tools.incident_worlds runs/explain
	if [ -f runs/fixes-everywhere/comparison.json ]; then $(BIN)/python -m tools.incident_worlds runs/fixes-everywhere; fi

fuzz-configs: $(READY) ## 50 times the tests' tries at configs, options and input files that break the program
	@TICKETSIM_FUZZ=50 $(BIN)/python -m pytest tests/properties/test_config_fuzz.py $(PARALLEL)

audit: $(READY) ## lock file, what is installed, and known vulnerabilities if their database can be reached
	@$(BIN)/python -m tests.support.audit

bench: $(BENCH_READY) $(FAST_READY) ## speed and memory against goals and other simulators, in .venv-bench; FULL=1: full size
	@mkdir -p runs
	@$(BENCH_VENV)/bin/python -m pytest --config-file tests/benchmarks/pytest.ini --rootdir . $(if $(FULL),--full-size) \
		--benchmark-json runs/benchmarks.json tests/benchmarks

$(BENCH_READY): requirements-bench.lock pyproject.toml
	@echo "make bench: this program and its peers are installed into $(BENCH_VENV); $(VENV) is left as it is"
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement requirements-bench.lock
	$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

explain: $(FAST_READY) ## what happened in the incident, how sure that is (20 minutes); resumes
	$(TICKETSIM) explain incident --out runs/explain

explain-full: $(FAST_READY) ## the same, and every defect by itself, and the calibration: hours; resumes
	$(TICKETSIM) explain incident --full --out runs/explain-full

fuzz: $(FAST_READY) ## ten thousand tries to break an invariant (a quarter of an hour); resumes
	$(TICKETSIM) fuzz fuzz-small --seeds 10000 --keep-going --out runs/fuzz

fuzz-fastapi: $(FAST_READY) ## the repaired FastAPI shop over a thousand seeds: no race is left; resumes
	$(TICKETSIM) fuzz examples/fastapi_shop/shop.toml --seeds 1000 --keep-going --out runs/fuzz-fastapi --set load.vus=8 \
		--set 'customer.script="fashop_sim:rush"' --set 'app.env.SHOP_INSIDE="3"' \
		--set 'app.env.SHOP_LOCKS_SEATS="1"' --set 'app.env.SHOP_ADMITS_ATOMICALLY="1"'

coverage: $(READY) ## how often the intervals and verdicts of compare are right
	$(BIN)/python -m tests.support.coverage 1000

lint: $(READY) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy --strict
	$(BIN)/mypy

layers: $(READY) ## imports point downwards only
	$(BIN)/lint-imports

lock: $(READY) ## resolve the dependencies again, with hashes and without naming an index
	$(LOCK) --extra dev --upgrade --output-file requirements.lock
	$(LOCK) --extra notebooks --constraint requirements.lock --output-file requirements-notebooks.lock
	$(LOCK) --extra bench --constraint requirements.lock --output-file requirements-bench.lock
	@! grep -nE '://|index-url' requirements.lock requirements-notebooks.lock requirements-bench.lock

clean: ## remove everything that can be made again
	rm -rf $(VENV) $(BENCH_VENV) $(FAST_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each target is one line that can be run by hand, in a virtual environment that is made if need be.
.DEFAULT_GOAL := help
.PHONY: help rehearse playground tools test test-faults test-mutations test-fuzz review-cases lint format docs lock bench clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
READY := .venv/ready
ALL_READY := .venv/ready-for-development
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.11 …" >&2; exit 1; }

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(NEW_ENOUGH)
	$(PYTHON) -m venv .venv

# By uv, which takes a fraction of pip's time. Where it isn't on PATH, pip brings the locked one; where it can't reach
# its package index, pip does all, which may have been told of another.
define INSTALL
	@echo "Installing $< into .venv"
	@PATH="$$PATH:$(BIN)"; command -v uv >/dev/null || sed -n '/^uv==/,/# via/p' requirements-dev.txt | $(PIP) -r /dev/stdin; \
	uv pip install --quiet --python $(BIN)/python --require-hashes -r $< || $(PIP) -r $<
	@touch $@
endef

$(READY): requirements-rehearsal.txt | $(BIN)/python
	$(INSTALL)

$(ALL_READY): requirements-dev.txt | $(BIN)/python
	$(INSTALL)

rehearse: $(READY) ## show what `pulumi up` would build, and whether it would work (no cloud needed)
	$(BIN)/python -m rehearsal

playground: $(ALL_READY) ## the whole world here: emulated AWS, a real control plane, the engine (needs make tools)
	$(BIN)/python -m rehearsal playground

tools: ## build the pinned tools that this machine lacks (tools/README.md), for lint and the engine and cluster tests
	@$(NEW_ENOUGH)
	$(PYTHON) -m tools

test: $(ALL_READY) ## run every test tier that can run here
	$(BIN)/python -m pytest -q -n auto --dist worksteal

test-faults: $(ALL_READY) ## disturb every call of an `up` by every fault (docs/faults.md; ARGS=--write writes it anew)
	$(BIN)/python -m pytest -q -n auto --dist worksteal -p tests.faults.plugin tests/faults/matrix.py $(ARGS)

review-cases: $(ALL_READY) ## write anew what a reviewer reads of each pull request in tests/review/catalogue
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests/review/test_catalogue.py --write

test-mutations: $(ALL_READY) ## change the project in 40 small and 200 hostile ways, and demand that a review tells each
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests/review/test_mutations.py tests/review/test_hostile.py --mutations 40 --hostile 200

test-fuzz: $(ALL_READY) ## read 500 strange stack files, each as the engine does, and preview 50 of them
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests --fuzz 500 -k "fuzz or strange"

lint: $(ALL_READY) ## ruff, pyright, the workflows' linters, and everything locked or generated is current
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/pyright --pythonpath $(BIN)/python && $(BIN)/python -m tools.workflows && $(BIN)/shellcheck .ci/* && $(BIN)/python -m tools.lock --check && $(BIN)/python charts/generate.py --check && $(BIN)/python docs/generate.py --check

format: $(ALL_READY) ## format the code and mend what ruff can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

docs: $(ALL_READY) ## write everything that is generated: docs and their pictures, Pulumi.yaml's config block, the chart's tables
	$(BIN)/python charts/generate.py && $(BIN)/python docs/generate.py && $(BIN)/python docs/pictures.py

lock: $(ALL_READY) ## lock what each requirements*.in asks for: every package, by version and hash
	$(BIN)/python -m tools.lock

bench: $(ALL_READY) ## measure what has a speed goal (ARGS=rehearsal, or another part alone)
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove the virtual environment and caches
	rm -rf .venv .pytest_cache .ruff_cache

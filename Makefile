# Each target is one line that can be run by hand, in a virtual environment that is made if need be.
.DEFAULT_GOAL := help
.PHONY: help rehearse playground tools test test-faults test-mutations test-fuzz review-cases lint format docs bench clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.11 …" >&2; exit 1; }

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt requirements-dev.txt
	@$(NEW_ENOUGH)
	@echo "Installing what requirements-dev.txt names into .venv; the first time takes a few minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(READY)

rehearse: $(READY) ## show what `pulumi up` would build, and whether it would work (no cloud needed)
	$(BIN)/python -m rehearsal

playground: $(READY) ## the whole world here: emulated AWS, a real control plane, the engine (needs make tools)
	$(BIN)/python -m rehearsal playground

tools: ## build the pinned tools that this machine lacks (tools/README.md), for lint and the engine and cluster tests
	@$(NEW_ENOUGH)
	$(PYTHON) -m tools

test: $(READY) ## run every test tier that can run here
	$(BIN)/python -m pytest -q -n auto --dist worksteal

test-faults: $(READY) ## disturb every call of an `up` by every fault (docs/faults.md; ARGS=--write writes it anew)
	$(BIN)/python -m pytest -q -n auto --dist worksteal -p tests.faults.plugin tests/faults/matrix.py $(ARGS)

review-cases: $(READY) ## write anew what a reviewer reads of each pull request in tests/review/catalogue
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests/review/test_catalogue.py --write

test-mutations: $(READY) ## change the project in 40 small and 200 hostile ways, and demand that a review tells each
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests/review/test_mutations.py tests/review/test_hostile.py --mutations 40 --hostile 200

test-fuzz: $(READY) ## read 500 strange stack files, each as the engine does, and preview 50 of them
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests --fuzz 500 -k "fuzz or strange"

lint: $(READY) ## ruff, pyright, the workflows' linters, and everything generated is current
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/pyright --pythonpath $(BIN)/python && $(BIN)/python -m tools.workflows && $(BIN)/shellcheck .ci/* && $(BIN)/python charts/generate.py --check && $(BIN)/python docs/generate.py --check

format: $(READY) ## format the code and mend what ruff can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

docs: $(READY) ## write everything that is generated: docs, Pulumi.yaml's config block, the chart's tables
	$(BIN)/python charts/generate.py && $(BIN)/python docs/generate.py

bench: $(READY) ## measure the rehearsal, the program against a flat one, the chart's render, and a fleet
	$(BIN)/python -m benchmarks

clean: ## remove the virtual environment and caches
	rm -rf .venv .pytest_cache .ruff_cache

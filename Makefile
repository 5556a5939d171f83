# Everything here runs in a virtual environment of its own, .venv in this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo run test debian browser lint bench faults mutants fuzz contract docs screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY) ## Watch 17 jobs end in every way (simulated ComfyUI, real Postgres, real files; under 90 s)
	$(BIN)/reconciler demo $(ARGS)

run: $(READY) ## Run the service: make run ARGS="--server http://127.0.0.1:8188 --output-dir DIR"
	$(BIN)/reconciler run $(ARGS)

# Most tests wait for processes of their own, so four at a time keep two cores busy. The tests of a
# file stay together and share what it starts; folders with long ones come first. What they leave lies
# in a folder of this run alone, gone where all is well: pytest clears away what other runs left, and
# fails where it cannot. Its name is short: paths of sockets have 108 characters.
test: $(READY) debian browser ## Run all tests, or some: make test ARGS=tests/unit/core
	@left=$$(mktemp -d -t rt.XXXXXX) && $(BIN)/python -m pytest --basetemp="$$left/t" \
	$(or $(ARGS),-n 4 --dist loadfile --no-loadscope-reorder) && rm -rf "$$left"

debian:
	@tests/debian.sh

browser: $(READY)
	@tests/browser.sh $(BIN)/python

lint: $(READY) ## Check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Measure reaction, load on ComfyUI, idle cost and verdicts
	$(BIN)/python -m tests.benchmarks $(ARGS)

faults: $(READY) debian ## Kill, cut, freeze, fill up, and see the rows come right: the long form of tests/faults
	$(BIN)/python -m pytest tests/faults --long $(ARGS)

mutants: $(READY) ## Plant bugs one at a time, and see each caught: make mutants ARGS="--only lease"
	$(BIN)/python -m tests.faults.mutants $(ARGS)

fuzz: $(READY) ## Try mutated files on the checks of structure: make fuzz ARGS="--seconds 600"
	$(BIN)/python -m tests.fuzz $(ARGS)

contract: $(READY) ## Run the contract tests; against a real ComfyUI with COMFYUI_URL=http://...
	$(BIN)/python -m pytest -m contract tests/contract $(ARGS)

docs: $(READY) ## Write the decision table in docs/ from the code
	$(BIN)/python -c 'from pathlib import Path; from reconciler.core.table import embed; page = Path("docs/decisions.md"); page.write_text(embed(page.read_text(encoding="utf-8")), encoding="utf-8")'

screenshots: $(READY) browser ## Take the pictures of the pages in docs/, of the demonstration
	$(BIN)/python -m tests.browser.screenshots docs

clean: ## Remove the virtual environment and what tools left behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

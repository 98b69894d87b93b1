# One command each on a fresh machine with Python 3.11 or newer: they make .venv, install into it, and run.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help train test contract mutations third-party lint slow cifar pictures figures clean-cache clean

help:           ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

train: $(INSTALLED)  ## Train ResNet-18 on the simulated bench, embedded data, about two minutes
	$(BIN)/hil train --calibrate

test: $(INSTALLED)   ## Run the tests
	$(BIN)/python -m pytest

contract: $(INSTALLED)  ## Run every driver against its twin on every transport and print the table
	$(BIN)/python -m pytest tests/contract/test_every_driver.py

mutations: $(INSTALLED)  ## Take each guard out in a copy and see that its tests fail, about ten minutes
	$(BIN)/python tests/mutations/run.py

third-party: $(INSTALLED)  ## Install PyMeasure and QCoDeS and run their drivers against the twins
	$(BIN)/python -m pip install --quiet --editable '.[third-party]'
	$(BIN)/python -m pytest -m third_party

lint: $(INSTALLED)   ## Format check, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

slow: $(INSTALLED)   ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow -s

cifar: $(INSTALLED)  ## Run the tests on CIFAR-10 files in the folder DOMAINWALL_CIFAR10
	$(BIN)/python -m pytest -m cifar -s

pictures: $(INSTALLED)  ## Make the pictures of the README from the latest run in runs/
	$(BIN)/hil monitor --screenshot docs/images/monitor.svg --size 120x36

figures: $(INSTALLED) ## Draw the figures of docs/physics.md, about a minute
	$(BIN)/python docs/figures/physics.py

clean-cache:    ## Forget compiled loops: needed after a change in a function that loops of other files call
	find . -name '*.nb[ic]' -not -path './.git/*' -not -path './$(VENV)/*' -delete

clean:          ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(INSTALLED)

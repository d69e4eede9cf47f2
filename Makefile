# One word per need; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup demo compare test test-slow check style plans constraints clean

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.complete# exists only after an installation that went through

CODE := mslt_tf tfrecords_tools tests benchmarks scripts
# Floor 0, the modules without TensorFlow: what lies directly in mslt_tf, without the entries.
FLOOR_0 := $(filter-out mslt_tf/run_%,$(wildcard mslt_tf/*.py))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Install everything into .venv, at the versions of constraints.txt

# Without the stamp, what is in .venv may be half an installation, so it is made anew. With an old
# stamp it is whole, and pip only has to change what setup.py or constraints.txt changed.
# setuptools comes first, and builds without isolation, so that the builds are pinned as well.
# PYTHONWARNINGS: setuptools would remark at length that an editable install is editable.
$(READY): setup.py constraints.txt
	@echo "Installing TensorFlow and about 110 packages into $(VENV) (2.5 GB). This takes some minutes,"
	@echo "nearly all of it downloading and unpacking; pip speaks only when something is wrong."
	@[[ -e $@ ]] || scripts/make_venv.sh $(VENV)
	@touch $(VENV)/made_by_make_venv  # an old one with the stamp lacks it
	@rm -f $@
	@$(PIP) install -c constraints.txt pip setuptools wheel
	@PYTHONWARNINGS=ignore $(PIP) install -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@
	@echo "Done. Next: make demo, or make test."

demo: setup ## Pretrain a tiny model on a small text, from nothing to an exported encoder
	@$(PYTHON) -m scripts.demo

compare: setup ## Compare the methods: starts or continues in the background, and shows the table so far
	@$(PYTHON) -m benchmarks.learning --vocab_size=400 --background --num_seeds=3 --num_parallel_runs=2

test: setup ## Run the fast tests
	@# One more than processors: some tests wait for processes or locks.
	@processes=$$(( $$(nproc) + 1 )); \
	$(PYTHON) -m pytest -n $$(( processes < 8 ? processes : 8 )) --dist loadfile

test-slow: setup ## Run the slow tests
	@# In the order of the files: by the number of tests in them, the longest would come last.
	@$(PYTHON) -m pytest -m "slow and not gpu" -n 3 --dist loadfile --no-loadscope-reorder \
	  --durations=20 \
	  || [[ $$? == 5 ]]  # 5: none

check: setup ## Lint, format, types of floor 0, import floors; changes nothing
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy $(FLOOR_0)
	@$(PYTHON) -m pytest -q tests/test_architecture.py

style: setup ## Mend what ruff can mend, and format
	@$(PYTHON) -m ruff check --fix-only .
	@$(PYTHON) -m ruff format .

plans: setup ## Print the stage plan of every configs/*.flags
	@for flags in $(filter-out configs/glue.flags configs/squad_%,$(wildcard configs/*.flags)); do \
	  echo "== $$flags"; \
	  $(PYTHON) -m mslt_tf.run_pretraining --flagfile="$$flags" --dry_run; \
	done

constraints: ## Write constraints.txt anew: the newest versions that setup.py allows
	@scripts/make_constraints.sh

# Only what says of itself that it is a cache, and what Python compiled of our own code.
clean: ## Remove caches; keeps .venv, data and runs
	@for cache in .pytest_cache .mypy_cache .ruff_cache; do \
	  [[ ! -e $$cache/CACHEDIR.TAG ]] || rm -rf $$cache; \
	done
	@find $(CODE) -path '*/__pycache__/*.pyc' -type f -delete
	@find $(CODE) -name __pycache__ -type d -empty -delete

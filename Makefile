# Every target sets up what it needs. PYTHON: a Python from 3.11 on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev

.PHONY: demo test check bench workbook clean

demo: $(READY)
	@mkdir -p out && rm -f out/demo.xlsm
	@$(BIN)/xlkmv new out/demo.xlsm
	@$(BIN)/xlkmv refresh out/demo.xlsm

test: $(DEV)
	$(BIN)/python -m pytest -n auto --ignore=tests/hosts
	$(BIN)/python -m pytest tests/hosts -rs

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(DEV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@for file in bench/bench_*.py; do $(BIN)/python $$file || exit 1; done

# What is generated from the sources and kept in the repository.
workbook: $(DEV)
	$(BIN)/python -m xlkmv.build.template workbook/KMV_Template.xlsm
	$(BIN)/python -m xlkmv.build.docs docs/functions.md

PIP = $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once) ..."
	@$(PIP) -e .
	@touch $@

$(DEV): $(READY)
	@echo "Setting up the tools of the tests (once) ..."
	@$(PIP) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Every target sets up what it needs. PYTHON: a Python from 3.11 on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench workbook clean

demo: $(READY)
	@mkdir -p out && rm -f out/demo.xlsm
	@$(BIN)/xlkmv new out/demo.xlsm
	@$(BIN)/xlkmv refresh out/demo.xlsm

test: $(READY)
	@sh tests/hosts/install.sh
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@for file in bench/bench_*.py; do $(BIN)/python $$file || exit 1; done

workbook: $(READY)
	$(BIN)/python -m xlkmv.build.template workbook/KMV_Template.xlsm

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis

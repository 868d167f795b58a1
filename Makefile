# Every target sets up what it needs. PYTHON: a Python from 3.11 on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
PEERS := $(VENV)-merton/.ready $(VENV)-financepy/.ready
RELEASE := $(VENV)-release/.ready
MUTANTS := $(VENV)-mutants/.ready

.PHONY: everything demo test check bench workbook docs release fuzz mutants clean

demo: $(READY)
	@mkdir -p out && rm -f out/demo.xlsm
	@$(BIN)/xlkmv new out/demo.xlsm
	@$(BIN)/xlkmv refresh out/demo.xlsm

test: $(DEV)
	$(BIN)/python -m pytest -n auto -rs

everything: check test docs release

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# make bench BENCH=--quick: small sizes only. A peer that cannot be installed is named in the table.
bench: $(DEV)
	-@$(MAKE) -s -k $(PEERS)
	@$(BIN)/python bench/run.py $(BENCH)

# The site of the documentation: a broken link, name or example fails.
docs: $(DEV)
	$(BIN)/python -m sphinx -W --keep-going -q -c docs/site docs out/site
	@echo "Open out/site/index.html"

# Build, check and try what is published; make release FEW=--few: two environments instead of all.
release: $(RELEASE)
	@$(VENV)-release/bin/python release/run.py $(FEW)

# Hostile workbooks against the reader; make fuzz FUZZ='--changes 100000 --seed 2 --keep out/fuzz'.
fuzz: $(DEV)
	@$(BIN)/python tests/workbook/fuzz.py $(FUZZ)

# What is generated from the sources and kept in the repository.
workbook: $(DEV)
	$(BIN)/python -m xlkmv.build.template workbook/KMV_Template.xlsm
	$(BIN)/python -m xlkmv.build.docs docs/functions.md
	$(BIN)/python -m xlkmv.library.documents docs/deal.schema.json
	$(BIN)/python -m xlkmv.build.catalogue

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

# The peers want other versions, also of each other: an environment each.
$(PEERS): $(VENV)-%/.ready: bench/peers/%.txt pyproject.toml
	@test -x $(VENV)-$*/bin/python || $(PYTHON) -m venv $(VENV)-$*
	@echo "Setting up $(VENV)-$* (once) ..."
	@$(VENV)-$*/bin/python -m pip install -q --disable-pip-version-check -r $< -e .
	@touch $@

$(RELEASE): release/tools.txt constraints.txt
	@test -x $(VENV)-release/bin/python || $(PYTHON) -m venv $(VENV)-release
	@echo "Setting up $(VENV)-release (once) ..."
	@$(VENV)-release/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -r $<
	@touch $@

# Would a test notice? 300 small changes, one at a time: an hour or more. make mutants ONLY='20 --room tape': fewer.
mutants: $(MUTANTS)
	@$(VENV)-mutants/bin/python mutants/run.py $(if $(ONLY),--only $(ONLY))

$(MUTANTS): mutants/tools.txt constraints.txt pyproject.toml
	@test -x $(VENV)-mutants/bin/python || $(PYTHON) -m venv $(VENV)-mutants
	@echo "Setting up $(VENV)-mutants (once) ..."
	@$(VENV)-mutants/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -r $< -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-* dist docs/api out .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Everything a developer or an operator types. `make` alone lists it.
# Needs Python 3.11 or newer, and make; the rest comes from requirements.lock.
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
ALONE := tests/chaos tests/mesh/test_outage.py
PYTHONS := python3.13 python3.12 python3.11 python3.14 python3 python

.DEFAULT_GOAL := help
.PHONY: help setup up test check fmt proto generate bench chaos lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv from the lock, install parley in it, generate the stubs
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    exec $$python scripts/install.py; fi; done; \
	echo "setup: no Python 3.11 or newer with venv found (looked for: $(PYTHONS))." >&2; \
	echo "setup: install one, on Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1

up: setup ## Run the whole mesh; then open http://localhost:8080
	@exec $(BIN)/parley up

test: setup ## Run every test, real Postgres, a browser and Node included
	@$(BIN)/python scripts/test_tools.py
	@$(BIN)/pytest $(ALONE)
	@$(BIN)/pytest -n auto $(addprefix --ignore=,$(ALONE))

check: setup ## Lint, format, types, contract, generated files, house rules
	@$(BIN)/python scripts/check.py

fmt: setup ## Format the code and the contract
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/buf format -w

proto: setup ## Lint the contract and generate the stubs of it again
	@$(BIN)/buf lint
	@$(BIN)/python hatch_build.py

generate: setup ## Write what is generated and committed: .env.example, tables, pasted output
	@$(BIN)/python -m scripts.generated --write

bench: setup ## Measure what a message costs, against baselines and this machine
	@$(BIN)/python -m bench

chaos: setup ## Kill services and Postgres at random under load for 60 s, and audit every message
	@$(BIN)/python -m tests.chaos

lock: setup ## Resolve the dependencies anew into requirements.lock
	@$(BIN)/python scripts/lock.py

clean: ## Remove what was made here: .venv, stubs, caches (never data/)
	@rm -rf .venv gen build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/clients/node/node_modules
	@cd examples/typescript && rm -rf node_modules src/gen dist

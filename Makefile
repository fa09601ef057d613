# `make run` and `make test` need python3 (3.11 to 3.14) with venv, and make; nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
DATA ?= data
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
KAFKA_PORT ?= 29092
KAFKA_URL ?= kafka://127.0.0.1:$(KAFKA_PORT)
KAFKA3_PORT ?= 29192
KAFKA3_URL ?= kafka://$(shell seq -s, -f '127.0.0.1:%.0f' $(KAFKA3_PORT) $$(($(KAFKA3_PORT) + 2)))
KAFKA := python -m infra.kafka.launcher
KAFKA_RUN := infra/kafka/run
# what pip is at, one short line each, instead of its wall of text
PIP_PROGRESS := sed -u -n -e 's/^Collecting \([^] <>=!~;[(]*\).*/    \1/p' -e 's/^Installing collected packages.*/    putting it all in place .../p'

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(INSTALLED) ## install if needed, then run the demo (Ctrl-C stops it)
	@exec $(BIN)/switch up --demo --data $(DATA)

.PHONY: install
install: $(INSTALLED) ## make .venv and install

.PHONY: test
test: $(INSTALLED_DEV) ## run every test (of faults, a few rounds)
	@$(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: test-faults
test-faults: $(INSTALLED_DEV) ## kill, freeze and cut real processes, many rounds of it
	@SWITCH_FAULTS=long $(BIN)/python -m pytest tests/faults -n 0

.PHONY: test-long
test-long: $(INSTALLED_DEV) ## run the tests that take minutes each and that `make test` leaves out
	@$(BIN)/python -m pytest -m long -n 0

.PHONY: simulate
simulate: $(INSTALLED) ## try SEEDS=1000 seeds FROM=0 of the simulation on both cores
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --from $(or $(FROM),0) --jobs $(or $(JOBS),2)

.PHONY: lint
lint: $(INSTALLED_DEV) ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(INSTALLED_DEV) ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(INSTALLED) ## write the pages that are made from the code
	$(BIN)/switch config document > docs/configuration.md
	$(BIN)/python -m infra.write

.PHONY: kafka
kafka: $(INSTALLED) ## start a real single-node Kafka (needs java 17+ and mvn)
	@$(BIN)/$(KAFKA) start --dir $(KAFKA_RUN)/one --port $(KAFKA_PORT)

.PHONY: kafka3
kafka3: $(INSTALLED) ## start three nodes beside it, every record on all of them
	@$(BIN)/$(KAFKA) start --dir $(KAFKA_RUN)/three --nodes 3 --port $(KAFKA3_PORT)

.PHONY: kafka-stop
kafka-stop: $(INSTALLED) ## stop whatever of the two runs
	@for folder in one three; do $(BIN)/$(KAFKA) stop --dir $(KAFKA_RUN)/$$folder; done

.PHONY: run-kafka
run-kafka: kafka ## run the demo on the single node
	@exec env SWITCH__LOG__SINGLE_BROKER=true $(BIN)/switch up --demo --data $(DATA)-kafka \
	  --log $(KAFKA_URL)

.PHONY: run-kafka3
run-kafka3: kafka3 ## run the demo on the three nodes
	@exec $(BIN)/switch up --demo --data $(DATA)-kafka3 --log $(KAFKA3_URL)

.PHONY: clean-data
clean-data: ## forget the demo's data, Kafka's records too (not while it runs)
	@for folder in $(DATA) $(DATA)-kafka $(DATA)-kafka3; do \
	  if [ -e "$$folder/addresses.json" ] && \
	    kill -0 "$$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$$folder/addresses.json")" 2>/dev/null; then \
	    echo "make: $$folder is in use by a running switch; stop it first (Ctrl-C where it runs)" >&2; exit 1; fi; \
	  if [ -e "$$folder" ] && [ ! -e "$$folder/instance.json" ]; then \
	    echo "make: $$folder is not a data folder of the switch (no instance.json); left as it is" >&2; exit 1; fi; \
	done
	@# keys and log belong together: without data-kafka's keys the broker's records open for nobody
	@if [ -e $(DATA)-kafka ]; then $(PYTHON) -m infra.kafka.launcher clean --dir $(KAFKA_RUN)/one; fi
	@if [ -e $(DATA)-kafka3 ]; then $(PYTHON) -m infra.kafka.launcher clean --dir $(KAFKA_RUN)/three; fi
	@rm -rf -- $(DATA) $(DATA)-kafka $(DATA)-kafka3

# the interpreter is checked before anything is made, and each complaint says what to install
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: there is no $(PYTHON). Debian and Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	  echo "make: $$($(PYTHON) -V) will not do, 3.11 to 3.14 will." >&2; \
	  echo "      If another is installed: make $(or $(firstword $(MAKECMDGOALS)),run) PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: $(PYTHON) lacks venv. Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "==> making $(VENV) with $$($(PYTHON) -V)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "==> installing the switch and what it needs (a minute or two the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e . | $(PIP_PROGRESS) || { \
	  echo "make: the installation failed; what pip says is above. It needs the network once." >&2; exit 1; }
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	@echo "==> installing the switch with its test tools (a minute or two the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[dev]' | $(PIP_PROGRESS) || { \
	  echo "make: the installation failed; what pip says is above. It needs the network once." >&2; exit 1; }
	@touch $(INSTALLED) $@

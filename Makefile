# zhishu (智枢). `make run` and `make test` are all one needs; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run test lint format bench fuzz soak real lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

# The hub alone, without the tools of development.
$(VENV)/.run: requirements/build.lock requirements/run.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zhishu needs Python 3.11 or later; set PYTHON=/path/to/it")'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing (some 600 MB once; a minute or two) ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements/build.lock
	@$(BIN)/pip install --quiet --progress-bar on --no-build-isolation --require-hashes -r requirements/run.lock
	@$(BIN)/pip install --quiet --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.lock
	@echo "Installing the tools of development ..."
	@$(BIN)/pip install --quiet --no-build-isolation --require-hashes -r requirements/dev.lock
	@touch $@

run: $(VENV)/.run ## everything on one machine, playing the sample year; Ctrl-C stops all
	@$(BIN)/zhishu up --sample

test: $(VENV)/.dev ## the whole suite, with the real Kafka and ClickHouse engine
	@$(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.dev ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/zhishu schema check

format: $(VENV)/.dev ## puts the code into the one format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## measures connectors, gateway, worker and the whole line (some minutes)
	@$(BIN)/zhishu bench --peers

fuzz: $(VENV)/.dev ## sends RUNS (1 000 000) damaged inputs through every parser
	@$(BIN)/python -m tests.fuzz.fuzz --runs $(or $(RUNS),1000000)

soak: $(VENV)/.dev ## ten minutes of half load on a gateway, whose memory must stay flat
	@$(BIN)/python -m bench.gateway --soak $(or $(SECONDS),600)

real: $(VENV)/.run ## plays third-party data end to end: make real DATA=folder
	@test -n "$(DATA)" || { echo 'Say where the data is: make real DATA=folder'; exit 2; }
	@$(BIN)/python -m hub.real "$(DATA)"

lock: $(VENV)/.dev ## for maintainers: resolves requirements/*.lock anew with uv
	@uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11 requirements/build.in -o requirements/build.lock
	@uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11 pyproject.toml --extra dev -c requirements/build.lock -o requirements/dev.lock
	@uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11 pyproject.toml -c requirements/dev.lock -o requirements/run.lock

clean: ## removes the environment and this machine's data
	@rm -rf $(VENV) .zhishu

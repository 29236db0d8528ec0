# `make demo` and `make test` start from a bare machine: Python 3.11 or newer, make and git.
# Another interpreter gets an environment of its own: `make test PYTHON=python3.13`.

PYTHON ?= python3
VENV   ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
BIN    := $(VENV)/bin
UV     := $(shell command -v uv)

# What Debian calls the programs that the demo and the tests run for real. Those of another make will do
# (docker-ce for docker.io), nothing is removed, and services are not started.
ENGINE_PACKAGES  := docker.io docker-cli runc busybox-static $(if $(wildcard /sys/module/apparmor),apparmor)
BUILD_PACKAGES   := gcc libc6-dev python3-dev
TEST_PACKAGES     = $(ENGINE_PACKAGES) $(BUILD_PACKAGES) docker-buildx docker-compose podman haproxy nginx prometheus rsyslog \
                    rsyslog-openssl openssl mmdebstrap ca-certificates fish zsh libglib2.0-0t64 \
                    victoria-metrics nats-server redis-server chromium nodejs $(STORE_PACKAGES)
# BUILD_PACKAGES are for the C extension, and libglib for syslog-ng, which
# Debian does not install beside rsyslog: its tests unpack it.

# VictoriaLogs is built of these by the tests that want it, once, in half a minute.
STORE_PACKAGES   := golang-go golang-github-victoriametrics-victoriametrics-dev \
                    $(addprefix golang-github-victoriametrics-,$(addsuffix -dev,easyproto fastcache metrics metricsql)) \
                    $(addprefix golang-github-valyala-,$(addsuffix -dev,bytebufferpool fasthttp fastjson fastrand \
                    fasttemplate gozstd histogram quicktemplate tcplisten))

BENCH_PACKAGES   := $(BUILD_PACKAGES) rsyslog rsyslog-docker libglib2.0-0t64
BENCH            ?= $(sort $(wildcard benchmarks/bench_*.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo dist test test-all lint compiled pytest chaos simulate hostile fleet upgrade mutants pauses screenshots bench bench-quick bench-curves bench-sinks bench-check bench-loops venv lock \
        image packages docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## everything from nothing to logs and metrics on the screen
	@if [ "$(DEMO_ENGINE)" != private ] && timeout 20 docker version >/dev/null 2>&1; \
	  then scripts/step "busybox, for the containers" scripts/debian-packages busybox-static; \
	  else scripts/step "Docker, from Debian's packages" scripts/debian-packages $(ENGINE_PACKAGES); fi
	@$(BIN)/python -m demo

# Tests wait more than they compute: there are more workers than cores.
WORKERS ?= $(shell expr 3 \* $$(nproc))
PARALLEL = -n $(WORKERS) --dist worksteal
LANES   ?= not slow

test: packages $(VENV)/.dev ## lint, types, and all tests but the slow ones, against real servers; ARGS="tests/stages -k parse" chooses
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint compiled
	@$(MAKE) --no-print-directory pytest

test-all: packages lint ## every test with both Pythons, properties in full, chaos, attack and fleet: an hour
	@$(MAKE) --no-print-directory everything
	@[ "$$($(PYTHON) -V)" = "$$($(DEBIAN_PYTHON) -V)" ] || $(MAKE) --no-print-directory everything PYTHON=$(DEBIAN_PYTHON)
	@$(MAKE) --no-print-directory chaos hostile fleet MINUTES=10

lint: $(VENV)/.dev ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: $(if $(filter unit,$(LANES)),,packages) $(VENV)/.dev ## the tests alone; LANES=unit those that need no server
	$(BIN)/python -m tests.suite $(or $(ARGS),$(PARALLEL) -m "$(LANES)")

DEBIAN_PYTHON := /usr/bin/python3
FULL          := --hypothesis-profile=full

.PHONY: everything
everything: packages $(VENV)/.dev .venv-docs/.docs
	$(BIN)/python -m tests.suite --minutes 60 $(PARALLEL) $(FULL) -m "not slow"
	$(BIN)/python -m tests.suite --minutes 60 -n 2 --dist loadgroup $(FULL) -m slow

compiled: $(VENV)/.dev # what each worker would do for itself
	@$(BIN)/python -m tests.suite --collect-only --quiet $(ARGS) >/dev/null || true

chaos: $(VENV)/.dev ## the whole agent while everything around it is killed; SEED=1 MINUTES=10
	@scripts/debian-packages $(ENGINE_PACKAGES)
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

hostile: $(VENV)/.dev ## the whole agent under attack from all sides at once; MINUTES=60 SEED=1
	@scripts/debian-packages $(ENGINE_PACKAGES)
	@$(BIN)/python -m tests.hostile --seed $(or $(SEED),1) --minutes $(or $(MINUTES),60)

simulate: $(VENV)/.dev ## the whole agent in simulated worlds, one for each seed: SEEDS=100000 by night; FIRST=1
	$(BIN)/python -m tests.simulation --first $(or $(FIRST),1) --seeds $(or $(SEEDS),1000)

fleet: packages $(VENV)/.dev ## four hosts, a queue, hubs and a store, killed and added meanwhile; QUEUE=nats|kafka SERVERS=1|3 LINES=2000000
	@$(BIN)/python -m tests.fleet --queue $(or $(QUEUE),nats) --servers $(or $(SERVERS),1) --lines $(or $(LINES),2000000)

upgrade: $(VENV)/.dev ## the agent of an earlier commit, then this one on the same state; FROM=COMMIT
	@scripts/debian-packages $(ENGINE_PACKAGES) $(BUILD_PACKAGES)
	@$(BIN)/python -m tests.upgrade --from $(or $(FROM),$(error FROM=COMMIT is missing))

pauses: packages $(VENV)/.dev ## every test that waits, once for each of its statements, with a pause before it; ARGS="tests/buffer"
	PAUSES=1 $(BIN)/python -m tests.suite --minutes 120 -p no:cacheprovider $(PARALLEL) -m "not slow" $(ARGS)

mutants: $(VENV)/.dev ## whether tests notice small faults put into the code; SEED=1 COUNT=130
	@$(BIN)/python -m tests.mutants --seed $(or $(SEED),1) --count $(or $(COUNT),130)

screenshots: packages $(VENV)/.dev ## docs/screenshots: the page's views, of an agent that reads a shop; ARGS="--only flow"
	@$(BIN)/python -m tests.page.chromium.screenshots $(ARGS)

bench: bench-packages $(VENV)/.dev ## the whole suite beside its peers, 25 minutes; RUN=2 repeats it
	@$(BIN)/python -m benchmarks.suite --run $(or $(RUN),1)

bench-quick: $(VENV)/.dev ## W1 and W2 beside docker logs, in two minutes
	@scripts/debian-packages $(ENGINE_PACKAGES)
	@$(BIN)/python -m benchmarks.suite --quick

bench-curves: $(VENV)/.dev ## how cost grows with lines, containers, sinks, stages and length
	@scripts/debian-packages $(ENGINE_PACKAGES)
	@$(BIN)/python -m benchmarks.suite.curves

bench-sinks: $(VENV)/.dev packages ## what each sink costs, alone and as a whole agent beside its peers
	@$(BIN)/python -m benchmarks.sinks --write

bench-check: $(VENV)/.dev ## whether each hot loop is within its budget, in a minute
	@$(BIN)/python -m benchmarks.check

bench-loops: $(VENV)/.dev packages ## each benchmark of one loop; BENCH=benchmarks/bench_parse.py chooses
	@for file in $(BENCH); do echo; echo "== $$file"; \
	  PYTHONPATH=benchmarks $(BIN)/python -m "benchmarks.$$(basename "$$file" .py)" || exit; done

.PHONY: bench-packages
bench-packages:
	@scripts/debian-packages $(ENGINE_PACKAGES) $(BENCH_PACKAGES)

venv: $(VENV)/.dev ## the environment for development, in .venv

packages: ## the Debian packages that the tests use (needs root and apt-get)
	@scripts/debian-packages $(TEST_PACKAGES)

image: ## the container image, as dockline:latest; BASE=... chooses what it builds on
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) --tag dockline .

docs: .venv-docs/.docs ## the documentation as a site, in build/docs; broken links fail; DOCS_SOURCE=URL shows files of the repository
	.venv-docs/bin/sphinx-build -W --keep-going --quiet -b html docs build/docs
	@echo "build/docs/index.html"

dist: $(VENV)/.runtime ## into dist/: source, wheels for the Pythons here, and Debian's package; ARGS="--only deb"
	@scripts/debian-packages $(BUILD_PACKAGES) python3-venv
	@$(BIN)/python -m distribution $(ARGS)

clean: ## remove environments, caches and what was built
	rm -rf .venv .venv-* .programs pipeline/native/*.so pipeline/native/not_built.txt dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------ environments

ifdef UV
install = $(UV) pip install --quiet --python $(BIN)/python
else
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

$(BIN)/python:
	@scripts/step "A Python environment in $(VENV)" scripts/make-venv "$(PYTHON)" "$(VENV)"

NATIVE := hatch_build.py $(wildcard pipeline/native/*.[ch])

$(VENV)/.runtime: pyproject.toml constraints.txt constraints-build.txt $(NATIVE) | $(BIN)/python
	@scripts/step "What dockline needs, into it" $(install) --require-hashes -r constraints.txt -r constraints-build.txt
	@scripts/step "dockline itself" $(install) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime constraints-dev.txt
	$(install) --require-hashes -r constraints-dev.txt
	@touch $@

.venv-docs/.docs: constraints-docs.txt
	@test -x .venv-docs/bin/python || scripts/make-venv "$(PYTHON)" .venv-docs
	$(subst $(BIN),.venv-docs/bin,$(install)) --require-hashes -r constraints-docs.txt
	@touch $@

# ----------------------------------------------------------------------------------- pinning
# One resolution for every supported Python and platform, hashed, and naming no package index.
# UPGRADE=1 takes the newest versions; without it only what pyproject.toml demands changes.

LOCK_UV = $(if $(UV),$(UV),.venv-lock/bin/uv)
compile = $(LOCK_UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

lock: $(if $(UV),,.venv-lock/bin/uv) ## compile the constraint files from pyproject.toml
	$(compile) pyproject.toml --output-file constraints.txt
	$(compile) pyproject.toml --extra all -c constraints.txt --output-file constraints-all.txt
	$(compile) --group build -c constraints-all.txt --output-file constraints-build.txt
	$(compile) --group docs -c constraints-all.txt -c constraints-build.txt --output-file constraints-docs.txt
	$(compile) pyproject.toml --all-extras --group dev -c constraints-all.txt -c constraints-build.txt --output-file constraints-dev.txt

.venv-lock/bin/uv:
	scripts/make-venv "$(PYTHON)" .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv

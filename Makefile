# Two commands: `make demo` shows the portal, `make test` proves it. `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PORT ?= 8000
PYTHON_SOURCES = manage.py portal families catering leisure billing tests stubs
PY = .venv/bin/python
# Each of the suite's processes would compile all code anew, and take seconds to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo reset test test-long check bench rush test-towns test-upgrade release-data format lock audit sbom setup setup-tests setup-long

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup ## Serve a demo town on http://127.0.0.1:8000 (PORT= changes it); Ctrl-C stops everything
	@PORTAL_DEMO=1 exec $(PY) manage.py demo --port $(PORT)

reset: ## Forget the demo: database, files, key (everything under var/)
	rm -rf var

test: setup-tests ## Run the tests, browser included, on SQLite (DATABASE_URL=postgres://… for PostgreSQL)
	$(PY) -m pytest -n 2 --dist worksteal $(or $(TESTS),tests --ignore=tests/upgrade)

test-long: setup-long ## Run what `make test` has no time for: races twelve times, many more invented examples, a real virus scanner and a real Redis
	HYPOTHESIS_PROFILE=long $(PY) -m pytest -n 2 --dist worksteal -m "long or hypothesis" $(or $(TESTS),tests --ignore=tests/upgrade)
	$(if $(TESTS),,$(PY) -m pytest tests/upgrade -m long -o faulthandler_timeout=1200)

check: setup-tests ## Lint, format, templates, import directions, types, migrations, production settings
	.venv/bin/ruff check $(PYTHON_SOURCES)
	.venv/bin/ruff format --check $(PYTHON_SOURCES)
	.venv/bin/djlint templates --lint --quiet
	.venv/bin/lint-imports
	PORTAL_DEMO=1 .venv/bin/mypy
	PORTAL_DEMO=1 $(PY) -W error manage.py makemigrations --check --dry-run
	env -u PORTAL_DEMO -u PORTAL_DEBUG SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))') \
		FIELD_KEYS=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))') \
		ALLOWED_HOSTS=portail.example.org PORTAL_URL=https://portail.example.org DEFAULT_FROM_EMAIL=portail@ville.test \
		DATABASE_URL=sqlite://:memory: EMAIL_URL=smtp://localhost:25 TRUSTED_PROXY_COUNT=0 \
		$(PY) -W error manage.py check --deploy --fail-level WARNING

bench: setup-tests ## Measure speed and memory, into var/bench.json
	$(PY) -m tests.bench

rush: setup-tests ## Let 2 500 families reserve within 300 s on PostgreSQL: SMALL=1, FAMILIES=, SECONDS=, WORKERS="1 2 4", REDIS=1, SERVERS=2, FILES=1, KEEP=1
	$(PY) -m tests.bench.rush $(if $(SMALL),--small) $(if $(FAMILIES),--families $(FAMILIES)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(WORKERS),--workers $(WORKERS)) $(if $(THREADS),--threads $(THREADS)) \
		$(if $(THINKING),--thinking $(THINKING)) $(if $(REDIS),--redis $(REDIS)) $(if $(SERVERS),--servers $(SERVERS)) $(if $(FILES),--files) $(if $(KEEP),--keep)

test-towns: setup ## Replay the example towns' calendars and rules (TOWNS_FILE= changes the file)
	PORTAL_DEMO=1 $(PY) manage.py replay_towns $(or $(TOWNS_FILE),tests/data/towns.yaml tests/data/communes.yaml tests/data/more-towns.yaml tests/data/rules.yaml tests/data/new-rules.yaml)

test-upgrade: setup-tests ## Try the oldest and the last release's data on today's code, on SQLite (and on the PostgreSQL of DATABASE_URL)
	$(PY) -m pytest tests/upgrade -o faulthandler_timeout=1200

release-data: setup-tests ## Write tests/data/releases/ of this version, once, when it is released (wants PostgreSQL)
	$(PY) -m tests.upgrade

format: setup-tests ## Put the code in the project's form
	.venv/bin/ruff check --fix $(PYTHON_SOURCES)
	.venv/bin/ruff format $(PYTHON_SOURCES)

audit: setup-tests ## Ask the index which pinned packages have known vulnerabilities (2: it did not answer)
	$(PY) .ci/audit

sbom: setup-tests ## Write the list of what is shipped (CycloneDX) into sbom/, once for each release
	$(PY) .ci/sbom

lock: setup-tests ## Write requirements*.txt anew from pyproject.toml
	.ci/lock

setup:
	@.ci/setup app

setup-tests:
	@.ci/setup tests

setup-long:
	@.ci/setup long

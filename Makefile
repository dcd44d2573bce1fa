# make app: the app on 127.0.0.1:8501 (PORT=... to change). make test: what to run before each commit. make test-all:
# every check. make wheel: dist/*.whl, tried. All need nothing but Python.
PYTHON ?= python3
# Of .venv, where another Python is to be tried: PYTHON=python3.14 VENV_PYTHON=python3.11 make wheel.
VENV_PYTHON ?= $(PYTHON)
PORT ?= 8501
CAMPAIGN_MINUTES ?= 2
VENV := .venv
BIN := $(VENV)/bin
NODE := $(BIN)/node
# Tests start many programs, which would each compile the package.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: app demo install test test-all trend lint types browser check check-all campaign gpu-check docs wheel bundle advisories lock test-lowest clean

app: demo
	$(BIN)/python -m avhcurate serve --port $(PORT)

demo: install
	$(BIN)/python -m avhcurate demo

install: $(VENV)/installed

# The types are checked beside the tests, which leave a core idle now and then.
test: $(VENV)/tested browser lint
	$(MAKE) --no-print-directory -j 2 types check

test-all: $(VENV)/tested browser lint
	$(MAKE) --no-print-directory -j 2 types check-all
	@$(MAKE) --no-print-directory trend

# How many lines there are and were: to look at, nothing fails of it.
trend:
	@$(PYTHON) .ci/trend.py

# Two processes share what they prepare. One test is a campaign, of 20 seconds and of two minutes:
# CAMPAIGN_MINUTES=10 make test-all for a longer one. A test that is said to be among the slowest here, and takes more
# than a second of the processor each time, gets the mark `slow`.
PYTEST = $(BIN)/python -m pytest -q -n 2 --dist worksteal --durations 10
check:
	AVHCURATE_CAMPAIGN_MINUTES=0.33 $(PYTEST) -m "not slow"

# The networks' tests come first, in processes of their own: what libraries leave in a process then meets no other test.
check-all:
	$(PYTEST) tests/networks
	AVHCURATE_CAMPAIGN_MINUTES=$(CAMPAIGN_MINUTES) $(PYTEST) --ignore tests/networks

lint: node_modules/.package-lock.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(NODE) node_modules/@biomejs/biome/bin/biome ci

types: node_modules/.package-lock.json
	$(BIN)/mypy
	$(NODE) node_modules/typescript/bin/tsc -p .

# What reads the scripts: a linter and a type checker, for the node that pip has installed.
node_modules/.package-lock.json: package-lock.json $(VENV)/tested
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --silent
	touch $@

# A browser for the browser tests: taken from the system, or by apt where that can be had; without one they say so.
BROWSERS := chromium-headless-shell chromium
browser:
	@for name in $(BROWSERS) chromium-browser google-chrome; do command -v $$name >/dev/null 2>&1 && exit 0; done; \
	command -v apt-get >/dev/null 2>&1 && apt-get update -qq && \
	for name in $(BROWSERS); do apt-get install -y -qq $$name >/dev/null && exit 0; done; \
	echo "No Chromium here and none could be installed: the browser tests will be skipped."

# Attacks on everything that is promised, for half an hour, with a table of what held.
campaign: $(VENV)/tested browser
	$(BIN)/python -m tests.fakes.campaign

# The tests that need an NVIDIA GPU, and a table of what one does, at the path that it prints; fails where there is none.
gpu-check: $(VENV)/tested
	$(BIN)/python -m benchmarks.gpu

# The documentation, strictly: a broken link or reference fails.
docs: $(VENV)/installed
	$(BIN)/python -m pip install -q -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q

# $(call locked,FILE): the releases and files that a lock names, and nothing else. uv takes a tenth of pip's time;
# where it cannot be had, or does not find what pip's own settings lead to, pip does it.
EXACTLY = --no-deps --require-hashes -r
locked = $(BIN)/uv pip install -q --python $(BIN)/python $(EXACTLY) $(1) || $(BIN)/python -m pip install -q $(EXACTLY) $(1)

# The lock leaves PyTorch to its range, and pip's settings say which build of it. What the app takes is compiled now, as
# pip does it; what only the tests take, as they need it.
$(VENV)/installed: export UV_COMPILE_BYTECODE = 1
$(VENV)/installed: locks/requirements.lock requirements.txt pyproject.toml
	test -x $(BIN)/python || $(VENV_PYTHON) -m venv $(VENV)
	-$(BIN)/python -m pip install -q "uv>=0.5"
	$(call locked,locks/requirements.lock)
	$(BIN)/python -m pip install -q -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/tested: $(VENV)/installed locks/requirements-test.lock
	$(call locked,locks/requirements-test.lock)
	touch $@

# Known weaknesses of what is installed, from the databases of advisories.
advisories: $(VENV)/tested
	$(BIN)/python -m venv build/audit
	build/audit/bin/python -m pip install -q "pip-audit>=2.9"
	build/audit/bin/pip-audit --skip-editable --path $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")

# Both locks anew, where the ranges have changed; docs/install.md says how to take newer releases.
lock: $(VENV)/installed
	$(BIN)/python -m pip install -q "uv>=0.5"
	$(BIN)/python tools/lock.py

# dist/*.whl and the sdist, and the wheel tried in an environment of its own.
wheel: $(VENV)/tested
	rm -rf dist build/wheel
	$(BIN)/hatchling build -d dist
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install -q dist/*.whl
	AVHCURATE_INSTALLED=build/wheel $(BIN)/python -m pytest -q tests/test_wheel.py

# build/bundle/: wheels of the app and of all that it needs, for a machine without a network, installed once from there.
# EXTRAS=all for more.
EXTRAS ?= photos
bundle: $(VENV)/installed
	rm -rf build/bundle build/offline
	$(BIN)/python -m pip wheel -q -w build/bundle ".[$(EXTRAS)]"
	$(PYTHON) -m venv build/offline
	build/offline/bin/python -m pip install -q --no-index --find-links build/bundle "avhcurate[$(EXTRAS)]"
	build/offline/bin/avhcurate doctor

# The oldest versions that requirements.txt admits, in an environment of their own: TESTS=tests/scores for a part.
test-lowest: $(VENV)/installed
	$(BIN)/python -m pip install -q "uv>=0.5"
	$(BIN)/uv venv -q --allow-existing build/lowest
	$(BIN)/uv pip install -q --python build/lowest/bin/python --resolution lowest-direct -r requirements.txt \
	  "pytest>=8.3" "pytest-xdist>=3.6" "hypothesis>=6.130" "httpx>=0.28"
	$(BIN)/uv pip install -q --python build/lowest/bin/python --no-deps -e .
	PYTHONPATH=. build/lowest/bin/python -m pytest -q -n 2 --dist worksteal -m "not browser and not slow" $(TESTS)

clean:
	rm -rf $(VENV) node_modules workspace build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

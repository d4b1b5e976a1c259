# make reproduce   set up .venv if needed, run the demo study, write figures/demo/
# make test        set up .venv if needed, run the tests that a change needs: all but the long ones
# make test-all    all tests, as CI does: with lessons 2 to 6, killed studies, the site in a browser, all of 15 s or more
# make docs        set up .venv if needed, build the site of the notebooks in _docs/; nothing is run
# make slides      a lecture as a PDF in _docs/, made of figures that the notebooks show
# LOCKED=yes       install the versions of constraints.txt, with which the tests passed
# ENV=active       use the environment that is active instead of .venv
PYTHON ?= python3
ifeq ($(ENV),active)
BIN :=
READY := .active
else
BIN := $(CURDIR)/.venv/bin/
READY := .venv/.ready
export PATH := $(CURDIR)/.venv/bin:$(PATH)
endif
PROFILE ?= demo
LOCKED ?=

.PHONY: setup reproduce test test-all docs slides lab readme notebooks .active

# only the environment
setup: $(READY)

reproduce: $(READY)
	$(BIN)lgap_reproduce --profile $(PROFILE)

TESTS := $(BIN)python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder

test: $(READY)
	$(TESTS) -m "not long" tests

test-all: $(READY)
	$(TESTS) tests

docs: $(READY)
	$(BIN)python tools/site.py

slides: $(READY)
	$(BIN)python tools/slides.py

lab: $(READY)
	$(BIN)jupyter lab nbs

# execute all notebooks with their defaults (demo scale) and keep the outputs; then README.md
notebooks: $(READY)
	$(BIN)python tools/notebooks.py outputs
	$(BIN)nbdev_clean
	$(MAKE) readme

# README.md is made from nbs/index.ipynb
readme: $(READY)
	$(BIN)python tools/notebooks.py readme

.venv/.ready: settings.ini setup.py
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lgap needs Python 3.11 or newer; set PYTHON=/path/to/python3.11')"
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet $(if $(LOCKED),-c constraints.txt) -e ".[dev]"
	touch $@

.active:
	python -c "import lgap, nbdev, papermill" || python -m pip install -e ".[dev]"

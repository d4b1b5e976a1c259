# make reproduce   set up .venv if needed, run the demo study, write figures/demo/
# make test        set up .venv if needed, run all tests
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

.PHONY: setup reproduce test docs slides lab readme notebooks .active

# only the environment
setup: $(READY)

reproduce: $(READY)
	$(BIN)lgap_reproduce --profile $(PROFILE)

test: $(READY)
	$(BIN)python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder tests

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

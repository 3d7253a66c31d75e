# Needs Python 3.11 to 3.14, make and git; everything else comes with the pins of requirements.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
export PYTHONHASHSEED = 0
# The matrices are small: threads would wait for each other, up to ten times as long.
export OPENBLAS_NUM_THREADS = 1
# Else each of some hundred processes would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help book site live pdf slides sheets weight test test-live check attack lab check-arithmetic serve lint links bench trials pins clean
.DEFAULT_GOAL := help

help: ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 25

# Lists the settings and files of the last build, and is as old as the beginning of it.
BUILT := _build/built
FILES := find * \( -name _build -o -name __pycache__ -o -name '.*' \) -prune -o -type f

book: $(VENV)/installed ## execute the chapters and build the website
	@mkdir -p _build; { echo "SOLUTIONS=$(SOLUTIONS) LIVE=$(LIVE) PDF=$(PDF)"; $(FILES) -print; } > $(BUILT).new
	@[ -e _build/html/index.html ] && cmp -s $(BUILT).new $(BUILT) && [ ! $< -nt $(BUILT) ] && [ -z "$$($(FILES) -newer $(BUILT) -print)" ] \
	  || { $(BIN)/jupyter-book build . -W -n --keep-going -q && mv $(BUILT).new $(BUILT); }
	@echo "The book is built. Open $(CURDIR)/_build/html/index.html, or run: make serve"

live: export LIVE := 1
live: $(VENV)/live book ## build the website, with notebooks that run in the browser of the reader (about 50 MB)

# In the order of tests/conftest.py, which also says what runs together.
PYTEST := $(BIN)/python -m pytest --no-loadscope-reorder --numprocesses

test: lint book $(VENV)/live ## check style and spelling, then run every test, the fast ones first
	$(PYTEST) auto

check: export CHROMIUM := # none: what a test does with a browser besides is left to `make test`
check: lint ## check style and spelling, then run what needs no built site and no browser: for every commit
	$(PYTEST) logical --ignore tests/site --ignore tests/live --ignore tests/lab/test_lab.py --ignore tests/slidefig/test_elsewhere.py --ignore tests/slidefig/test_picture.py

test-live: live ## run all cells of every notebook in a browser, and measure how long that takes: half an hour
	$(BIN)/python -m tests.live.reader

check-arithmetic: $(VENV)/installed ## run the tests of the solvers in the arithmetic of other processors
	$(BIN)/python tests/arithmetic.py

site: export PDF = yes
site: pdf ## build all that is published: the website with the wheel of the library and the book as PDF (needs Chromium)
	cp _build/pdf/book.pdf _build/html/implicit-bias.pdf

pdf: book ## build the website, and print it as one PDF; LISTINGS=no: without those of the library and the tests (needs Chromium)
	$(BIN)/python -m book.pdf book

slides: book ## build the website, and print its slides into PDF files (needs Chromium)
	$(BIN)/python -m book.pdf slides

sheets: book ## build the website, and print its weekly sheets into PDF files (needs Chromium)
	$(BIN)/python -m book.pdf sheets

weight: book ## build the website, and print what a first visit of each page loads (needs Chromium)
	$(BIN)/python -m book.weight

lab: $(VENV)/installed ## open the sessions of the seminar and the chapters in JupyterLab, as notebooks
	$(BIN)/jupyter lab --LabApp.app_settings_dir="$(CURDIR)/lib/book/lab" --ServerApp.root_dir="$(CURDIR)/chapters" \
	  --LabApp.default_url=/lab/tree/seminar/index.md

serve: ## show the built website on this machine
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

attack: $(VENV)/installed ## try to refute every theorem for an hour, with other random numbers than the tests
	$(BIN)/python -m tests.claims.attacks 60

lint: $(VENV)/installed ## check style and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

links: book ## build the website, and list the links to elsewhere that are dead (needs the network)
	$(BIN)/python -m pip install --quiet linkchecker
	$(BIN)/linkchecker --config .github/links.ini _build/html/chapters/index.html

bench: $(VENV)/installed ## time the solvers against what else one could call
	$(BIN)/python -m benchmarks

trials: $(VENV)/installed ## solve 50000 random problems by nnls and 5000 by the flows: right, honest failures, wrong, slow
	$(BIN)/python -m tests.lib.trials 50000
	$(BIN)/python -m tests.lib.trials_of_flows 5000
	$(BIN)/python -m tests.lib.trials_of_flows 500 0 flows

pins: $(VENV)/installed ## renew requirements.txt from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --upgrade --no-strip-extras --extra book --extra test \
	  --generate-hashes --no-emit-index-url --no-header pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra live --constraints requirements.txt \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --output-file lib/book/live/requirements.txt
	$(BIN)/uv pip compile --quiet --python-version 3.14 --python-platform wasm32-pyodide2024 lib/book/live/wheels.in \
	  --no-emit-package widgetsnbextension --no-emit-package jupyterlab-widgets \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file lib/book/live/wheels.txt

clean: ## remove everything that was built, but not .venv
	rm -rf _build

$(VENV)/live: lib/book/live/requirements.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --require-hashes -r lib/book/live/requirements.txt
	@touch $@

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import re, sys; low, end = map(int, re.search(r">=3\.(\d+),<3\.(\d+)", open("pyproject.toml").read()).groups()); \
	  sys.exit(not low <= sys.version_info[1] < end and f"The book needs Python 3.{low} to 3.{end - 1}: make PYTHON=python3.{end - 1}")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV): a few minutes the first time."
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

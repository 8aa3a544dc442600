# make only wraps Python commands; the README has the same lines for systems without it.
#   make demo             set up, then the main job
#   make test             set up, then all tests, notebooks included
#   make slides           a slide deck of each notebook, in build/slides
#   make site             the course as a site, in build/site
#   make demo TORCH=cpu   with the CPU build of torch, where PyTorch offers one (Linux, Windows)

PYTHON ?= python3
TORCH ?=
PIP_TORCH = $(if $(filter cpu,$(TORCH)),--index-url https://download.pytorch.org/whl/cpu,)
PY = .venv/bin/python

.PHONY: setup docs demo test lint slides site test-long bench clean

setup: .venv/.ready

.venv/.ready: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv .venv
	$(if $(PIP_TORCH),$(PY) -m pip install $(PIP_TORCH) "torch>=2.9" "torchvision>=0.24",)
	$(PY) -m pip install -e ".[test]"
	touch $@

docs: .venv/.docs

.venv/.docs: .venv/.ready
	$(PY) -m pip install -e ".[docs]"
	touch $@

demo: setup
	$(PY) -m distill_lib demo

test: setup
	$(PY) -m pytest -n 2 --dist loadscope
	DISTILL_BUDGET=smoke $(PY) -m pytest -n 2 --dist loadscope --nbval-lax --nbval-current-env \
		--nbval-sanitize-with notebooks/sanitize.cfg --nbval-cell-timeout 300 notebooks

slides: docs
	$(PY) -m docs.make_slides

site: docs
	$(PY) -m docs.make_site

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

test-long: setup
	LONG=1 $(PY) -m pytest -m faults

bench: setup
	$(PY) -m benchmarks.step
	$(PY) -m benchmarks.heap

clean:
	rm -rf .venv build *.egg-info

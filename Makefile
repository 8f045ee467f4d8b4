# make cluster   cluster the handwritten digits
# make test      check the code by make lint, then run the tests: 5 minutes
# make test-all  likewise with those marked slow, as CI does
# make lint      ruff and mypy, as pyproject.toml says
# make docs      make the reference of the library from its docstrings
# make test-gpu  run those that need an NVIDIA GPU, and CUDA's libraries
# Each creates .venv and installs what it needs first.  PYTHON=python3.12
# chooses another interpreter (CPython 3.10 to 3.13).

PYTHON ?= python3
BIN = .venv/bin
# Chainer 7.8.1 is built from source, which setuptools 81 and later can't.
PIP_INSTALL = PIP_CONSTRAINT=build-constraints.txt \
              PIP_BUILD_CONSTRAINT=build-constraints.txt \
              $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: cluster test test-all lint docs test-gpu sanitize-gpu benchmark clean

cluster: .venv/installed
	$(BIN)/python experiments/clustering.py

# Files side by side on all cores; then more threads of BLAS only wait.  Where
# an image of a container forbids it, code is compiled once all the same, and
# not again by every script that a test starts.
TESTS = OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
        $(BIN)/python -m pytest -n auto \
        --dist loadfile --no-loadscope-reorder

test: lint
	$(TESTS)

test-all: lint
	$(TESTS) -m "not gpu"

lint: .venv/tested
	$(BIN)/ruff check --quiet
	$(BIN)/mypy

# Pages of modules that are gone would stay.
docs: .venv/docs
	rm -rf docs/_build docs/api/generated
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet \
		-d docs/_build/doctrees docs/api docs/_build/html
	@echo "The reference is in docs/_build/html/index.html"

test-gpu: .venv/tested-gpu
	$(BIN)/python -m pytest -m gpu

# compute-sanitizer comes with the CUDA toolkit.  --tool racecheck, initcheck
# and synccheck look for other errors: make sanitize-gpu TOOL=racecheck
TOOL ?= memcheck
sanitize-gpu: .venv/tested-gpu
	compute-sanitizer --tool $(TOOL) --error-exitcode 1 --target-processes all \
		$(BIN)/python -m pytest -m gpu tests/cuda_tests tests/functions_tests

benchmark: .venv/installed
	$(BIN)/python experiments/benchmark_step.py

.venv/installed: requirements.txt setup.py pyproject.toml build-constraints.txt
	@echo "Installing into .venv (a minute or two) ..."
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/tested: .venv/installed requirements-test.txt
	@echo "Installing what the tests need (0.44 GB on Linux) ..."
	$(PIP_INSTALL) --requirement requirements-test.txt
	touch $@

.venv/docs: .venv/installed
	@echo "Installing Sphinx ..."
	$(PIP_INSTALL) --editable '.[docs]'
	touch $@

.venv/tested-gpu: .venv/tested
	@echo "Installing CUDA's libraries (some GB) ..."
	$(PIP_INSTALL) 'cupy-cuda12x[ctk]'
	touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache

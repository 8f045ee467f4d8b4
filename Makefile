# make cluster   cluster the handwritten digits
# make test      run the tests
# Both create .venv and install everything first.  PYTHON=python3.12 chooses
# another interpreter (CPython 3.10 to 3.13).

PYTHON ?= python3
BIN = .venv/bin
# Chainer 7.8.1 is built from source, which setuptools 81 and later can't.
PIP_INSTALL = PIP_CONSTRAINT=build-constraints.txt \
              PIP_BUILD_CONSTRAINT=build-constraints.txt \
              $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: cluster test benchmark clean

cluster: .venv/installed
	$(BIN)/python experiments/clustering.py

test: .venv/installed
	$(BIN)/python -m pytest

benchmark: .venv/installed
	$(BIN)/python experiments/benchmark_step.py

.venv/installed: requirements.txt setup.py build-constraints.txt
	@echo "Installing into .venv (a minute or two) ..."
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean:
	rm -rf .venv build *.egg-info

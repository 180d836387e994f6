# make run    install what the app needs into .venv and serve it on http://127.0.0.1:8501
# make test   install what tests need and run them
# make check  the fast tests: floor plan, formulas, registries, figures
# make lint   style and types; the scripts in qnviz/web need Node for it, nothing else does
# make coverage  every branch of qnviz/curvature, by the tests of its formulas
# make audit  known vulnerabilities of what the app installs (asks a public database)
# make bench  the measurements in benchmarks/, with the peers they need
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check lint coverage audit bench home pictures clean

# few arenas: memory that a visitor's threads have given back is found again by the next ones
run: .venv/run.stamp
	MALLOC_ARENA_MAX=2 $(BIN)/streamlit run app.py

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadgroup

FAST := architecture privates numbers norms double_damping curvature secant pair line_search lanczos minres \
        philox spec settings form links figures figures_damping gallery products security
check: .venv/dev.stamp
	$(BIN)/python -m pytest -q -n 2 $(FAST:%=tests/test_%.py)

lint: .venv/dev.stamp node_modules/stamp
	$(BIN)/ruff check .
	$(BIN)/pyright
	npm run --silent lint

FORMULAS := curvature kronecker double_damping secant krylov line_search minres pair hessian_vector lanczos
coverage: .venv/dev.stamp
	$(BIN)/python -m pytest -q --cov=qnviz.curvature --cov-branch --cov-report=term-missing \
	    --cov-fail-under=100 $(FORMULAS:%=tests/test_%.py)

audit: .venv/dev.stamp
	$(BIN)/python -m pip install --quiet pip-audit==2.10.1
	$(BIN)/pip-audit --requirement requirements.txt --no-deps --disable-pip

bench: .venv/bench.stamp
	$(BIN)/python -m benchmarks

home: .venv/run.stamp            # the run that the home page shows first; after a change of numbers
	PYTHONPATH=. $(BIN)/python assets/make_home.py

pictures: .venv/dev.stamp        # the README's, of the running app
	PYTHONPATH=. $(BIN)/python assets/make_pictures.py

clean:
	rm -rf .venv node_modules

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/dev.stamp: requirements.txt requirements-dask.txt requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@ .venv/run.stamp

node_modules/stamp: package.json package-lock.json
	@command -v npm >/dev/null || { \
	    echo "make lint checks qnviz/web with tools that need Node 20 or newer: install Node and npm." >&2; exit 1; }
	npm ci --no-audit --no-fund --silent
	touch $@

.venv/bench.stamp: requirements-bench.txt .venv/dev.stamp
	$(BIN)/python -m pip install --quiet -r requirements-bench.txt
	touch $@

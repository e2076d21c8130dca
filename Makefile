# Two commands do everything: `make demo` runs the main job, `make test` passes the tests. Both set up .venv first.

VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test check bench man clean
setup: $(VENV)/.ready

# torch first: its requirement elsewhere is looser, and the wrong build is gigabytes.
$(VENV)/.ready: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install -q $$(grep '^torch==' constraints.txt)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q -c constraints.txt -e '.[all,dev]'
	touch $@

demo: setup
	@PATH="$(abspath $(BIN)):$$PATH" $(MAKE) --no-print-directory -f examples/demo.mk

test: setup check
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tools/man.py --check

bench: setup
	for program in bench/*.py; do $(BIN)/python $$program || exit; done

man: setup
	$(BIN)/python tools/man.py

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A few verbs; the work is in the scripts they call.

PYTHON ?= .venv/bin/python# of an environment of one's own, if need be

.PHONY: setup test test-quick test-nightly coverage format bench clean

setup:   ## environment with everything for development
	utils/setup.sh dev bench

test:    ## style, types, shell scripts, tests
	bash tests/run.sh

test-quick: ## the unit tests alone, in a minute or so
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest tests/unit -m "not slow and not nightly" --numprocesses auto

test-nightly: ## what takes minutes and is left out of `make test`
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m nightly --numprocesses auto --dist loadfile

coverage: ## make test, and how much of firered it reaches
	bash tests/run.sh --coverage

format:  ## let ruff format and mend what it can
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench:   ## speed of VAD beside other detectors
	.venv/bin/python tests/bench/vad_speed.py

clean:   ## outputs of run.sh with default settings
	rm -rf exp

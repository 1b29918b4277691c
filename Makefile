# A few verbs; the work is in the scripts they call.

.PHONY: setup test format bench clean

setup:   ## environment with everything for development
	utils/setup.sh test dev bench

test:    ## style, shell scripts, tests
	bash tests/run.sh

format:  ## let ruff format and mend what it can
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench:   ## speed of VAD beside other detectors
	.venv/bin/python tests/bench/vad_speed.py

clean:   ## outputs of run.sh with default settings
	rm -rf exp

# The commands of this project. Each works from a fresh clone and needs Python 3.10 or newer, nothing else.
#
#   make demo    see it work: a hot folder, an embedded S3, the daemon, synctl, and an independent check of every byte
#   make test    the whole suite, and the unit tests on every other Python 3.10 to 3.13 that is found
#   make check   ruff, mypy, arch and unit tests, in seconds
#   make soak    two and three daemons on one prefix, killed all the while, and random days of the model, for SOAK_SECONDS each
#   make crash   the whole crash matrix: a death at each pass of each checkpoint (make test dies at some of them)
#   make mutants one small lie in the code after another, each of which the suite must notice (minutes)
#   make checksums  what the store shows of a sparse file of 5 GiB is what it shows of the AWS CLI's (minutes, 10 GiB of disk)
#   make bench   what moving files costs beside s5cmd, rclone and the AWS CLI (QUICK=1: five minutes; ROWS=small-up,large-up; ROUNDS=3)
#
# PYTHON=python3.12 make test chooses the interpreter. REQUIRE_ALL=1 makes a suite that cannot run here a failure.

PYTHON ?= python3
VENV ?= .venv
SOAK_SECONDS ?= 3600
SOAK_SERVER ?= moto
RUN = $(VENV)/bin/python

.PHONY: help demo test test-pythons check soak crash mutants checksums bench format venv clean

help:
	@sed -n 's/^#   //p' Makefile

venv:
	@packaging/venv.sh "$(PYTHON)" "$(VENV)"

demo: venv
	@$(RUN) packaging/demo.py

test: venv test-pythons
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-pythons: venv
	@packaging/other-pythons.sh "$(RUN)"

check: venv
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest tests/arch tests/unit

soak: venv
	SOAK_SECONDS=$(SOAK_SECONDS) SOAK_SERVER=$(SOAK_SERVER) $(RUN) -m pytest --timeout=0 tests/soak

crash: venv
	CRASH_ALL=1 $(RUN) -m pytest --timeout=0 tests/e2e/test_crash_matrix.py tests/e2e/test_crash_rollback.py

mutants: venv
	PYTHONPATH=tests $(RUN) -m mutants.run

checksums: venv
	CHECKSUM_LARGE=1 $(RUN) -m pytest --timeout=0 tests/e2e/test_checksum_matrix.py

bench: venv
	PYTHONPATH=tests $(RUN) -m bench $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SAVE),--save)

format: venv
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .hypothesis build dist

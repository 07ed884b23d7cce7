# make demo   simulate the embedded model, prefill and decode
# make test   lint and all tests
# make test-exhaustive   every pair of codes of the larger formats too, minutes more
# make verify-all   every product and decoder proved for all inputs, every netlist equal to its Verilog; every overlay's Verilog
# make mutate   wrong bits in every component, of which the vectors of the verification must find all but a few
# make recipes   bits per byte of every recipe with every format, into docs/recipes.md
# make gallery   the page of all PEs in docs/, drawn from their Verilog
# make docs   the documentation as a site in build/site, where a warning is an error
# All set themselves up: a virtual environment in .venv, made when constraints.txt or pyproject.toml change.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test test-exhaustive verify-all mutate lint bench characterize gallery recipes docs clean

demo: $(READY)
	$(BIN)/shiftwise simulate --phase prefill --sequence 512 --out build/demo/prefill
	$(BIN)/shiftwise simulate --phase decode --sequence 512 --out build/demo/decode

# Two processes of one thread each: more threads than cores wait for each other by spinning.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-exhaustive: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 tests/sim -m exhaustive

verify-all: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 tests/hdl/proof/test_prove.py tests/hdl/proof/test_prove_output.py tests/costmodel/synthesis/test_equivalence.py tests/hdl/overlay -m "exhaustive or not exhaustive"

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

mutate: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.hdl.proof.mutants

bench: $(READY)
	$(BIN)/python -m benchmarks

characterize: $(READY)
	$(BIN)/python -m reports.characterize
	$(BIN)/python -m reports.sanity_circuits

recipes: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m reports.recipes

gallery: $(READY)
	$(BIN)/python -m reports.gallery

# Without the notice of its theme's authors about other programs.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(READY): pyproject.toml constraints.txt setup.sh
	./setup.sh $(PYTHON)

clean:
	rm -rf build .venv

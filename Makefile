# make demo: all set-up and the main job.   make test: all set-up and all tests.
# make fuzz: 20,000 damaged artifacts.   make truth: every verdict against the real loader, afresh.   make bench: benchmarks.
# make models: backends' models converted afresh and compared with their locks; then what takes minutes with them.
# make kills: 100 deployments with something killed in the midst, and the box program killed at every step.
# make gpu-check: the device code on this machine's GPU, as it ships, against the CPU and the memory's bandwidth. With
#   PREBUILT=1 it takes the out/gpu-check that `make gpu-tree` filled, here or on another machine.
# make long: the backends' own tests, each in its long form.
.POSIX:
.PHONY: help demo test lint unit build e2e kills fuzz truth bench gpu-check gpu-tree long bare clean

STAGE = sh .ci/stage
EDGEBUILD = .venv/bin/edgebuild
PYTHON = .venv/bin/python
# Many tests wait: for boxes, beats and programs. What shares a file runs in one worker, so that its dear fixtures are made
# once, and of what needs gigabytes one runs at a time.
WORKERS = 2
SIDE_BY_SIDE = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo:
	@$(STAGE) setup sh .ci/setup demo
	@$(STAGE) build $(EDGEBUILD) build --target generic-arm64
	@$(STAGE) data $(PYTHON) -m tests.data out/demo
	@$(STAGE) run $(EDGEBUILD) run --target generic-arm64 -- bin/edgecore run out/demo/pipeline.yaml
	@echo "Those lines came from arm64 code as a Cortex-A53 would run it; pictures with boxes: out/demo/annotated/"

test:
	@$(STAGE) setup sh .ci/setup test
	@$(MAKE) lint unit build e2e

lint:
	@$(STAGE) lint .venv/bin/ruff check -q edgebuild tests cpp_core/backends conftest.py
	@$(STAGE) types .venv/bin/mypy edgebuild

unit:
	@$(STAGE) unit $(PYTHON) -m pytest -q tests/unit

build:
	@$(STAGE) build $(EDGEBUILD) build --all

kills:
	@EDGEBUILD_KILLS=100 EDGEBUILD_KILL_STRIDE=1 $(PYTHON) -m pytest -q -rA tests/e2e/test_kills.py tests/e2e/test_box_program.py

fuzz:
	@EDGEBUILD_FUZZ=20000 $(PYTHON) -m pytest -q -rA tests/e2e/test_fuzz.py

truth:
	@EDGEBUILD_TRUTH_FRESH=1 $(PYTHON) -m pytest -q -s tests/e2e/test_truth.py

models: build
	@for run in cpp_core/backends/*/tests/convert/run; do $(STAGE) $$run sh $$run || exit 1; done
	@$(PYTHON) -m pytest -q -s -rA -o python_files='prove_*.py' cpp_core/backends/*/tests/convert

bench:
	@test -x build/peers/bin/checksec || { python3 -m venv build/peers && build/peers/bin/pip install -q -r tests/bench/peers.txt; }
	@for bench in tests/bench/*_bench.py tests/bench/compare_tools.py; do $(STAGE) $$bench $(PYTHON) -m tests.bench.$$(basename $$bench .py); done

gpu-tree:
	@$(STAGE) build $(EDGEBUILD) build --target server-gpu
	@$(STAGE) fill sh cpp_core/backends/tensorrt/tests/gpu_check.sh fill out/gpu-check

gpu-check:
	@test -n "$(PREBUILT)" || $(MAKE) gpu-tree
	@sh cpp_core/backends/tensorrt/tests/gpu_check.sh run out/gpu-check

e2e:
	@$(STAGE) binfmt sh .ci/binfmt
	@$(STAGE) engine sh .ci/engine
	@$(STAGE) e2e $(PYTHON) -m pytest -q -rA $(SIDE_BY_SIDE) cpp_core/backends/*/tests tests/e2e

long:
	@EDGEBUILD_LONG=1 $(PYTHON) -m pytest -q -rA cpp_core/backends/*/tests cpp_core/backends/*/tests/long_*.py

bare:
	@sh .ci/bare

clean:
	rm -rf out build dist cpp_core/CMakeUserPresets.json cpp_core/compile_commands.json

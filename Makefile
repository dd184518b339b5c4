SHELL := bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
# One target after the other: they share install/ and, on small machines, two cores.
.NOTPARALLEL:
.PHONY: help install dev build lint format test test-unit test-integration test-slow test-all test-cov
.PHONY: gpu-check mutants fuzz demo demo-experiments docs notebooks lock release-model release-figure bench bench-eval bench-ledger bench-ros bench-attacks soak clean

# colcon's setup files read unset variables, so no `-u` above.
SOURCED = source install/setup.bash &&
# A DDS domain of its own: neither a robot on the network nor another run takes part.
# ROS checks the types of message fields only when asked to; without it a wrong one crashes.
# A distribution brings pytest plugins of its own; the tests need none.
OWN_DOMAIN = ROS_DOMAIN_ID=$$((RANDOM % 101 + 1))
TEST_ENVIRONMENT = $(OWN_DOMAIN) ROS_PYTHON_CHECK_FIELDS=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
PACKAGES = $(foreach one,ssd_detector ssd_detector_ros ssd_training,$(one)/$(one))
export PYTHON

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 26

install:  ## what a robot needs of build: no TensorFlow, no tests, no linters
	@tools/setup.sh demo

dev: build  ## the same as build

build:  ## .venv/ and install/; later runs repeat only what has changed
	@tools/setup.sh

lint: build  ## ruff, mypy, import-linter
	@$(SOURCED) ruff check .
	@$(SOURCED) ruff format --check .
	@$(SOURCED) python -m mypy $(PACKAGES)
	@$(SOURCED) lint-imports

format: build  ## let ruff format the sources
	@$(SOURCED) ruff check --fix . && ruff format .

# A file runs in one worker: its tests share what they start. The longest files come first, else
# one worker ends minutes before the other.
# One of three waits for nodes most of the time (tests/sharing.py): two cores are busy then.
# A worker that crashes ends the run: another one in its place has xdist wait for ever at the end.
PYTEST = $(TEST_ENVIRONMENT) python -m pytest
SHARED = -p xdist --max-worker-restart=0 --dist loadfile --no-loadscope-reorder -m 'not slow'
LONGEST_FIRST = tests/training tests/system tests/ros tests/bags tests/core
test: build  ## every test that needs neither a GPU nor the training data
	@$(SOURCED) $(PYTEST) -n 3 $(SHARED) $(LONGEST_FIRST)

test-unit: build  ## of these, the core and the training
	@$(SOURCED) $(PYTEST) -n 2 $(SHARED) tests/training tests/core

test-integration: build  ## of these, the node, recordings, and what goes across packages
	@$(SOURCED) $(PYTEST) -n 3 $(SHARED) tests/system tests/ros tests/bags

test-slow: build  ## tests that take minutes or need the training data
	@$(SOURCED) $(PYTEST) -m slow
	@$(SOURCED) HYPOTHESIS_PROFILE=thorough $(PYTEST) -m 'property and not slow'

test-all: test test-slow  ## both

test-cov: build  ## test, and which lines its own process runs: log/coverage/index.html
	@$(SOURCED) COVERAGE_FILE=log/.coverage $(PYTEST) -n 3 $(SHARED) $(LONGEST_FIRST) -p pytest_cov $(addprefix --cov=,$(PACKAGES)) \
		--cov-report=term:skip-covered --cov-report=html:log/coverage

# MUTANTS='--all --resume ssd_training', for one.
mutants: build  ## ten minutes of small changes of the code, to see whether tests see them
	@$(SOURCED) $(TEST_ENVIRONMENT) python tools/mutants/mutants.py $(MUTANTS)

# Rounds with new examples, until the time is over or a rule is broken.
FUZZ_MINUTES = 30
fuzz: build  ## half an hour of bent bundles, data, messages; FUZZ_MINUTES=5 for less
	@$(SOURCED) end=$$((SECONDS + 60 * $(FUZZ_MINUTES))); \
	while [ $$SECONDS -lt $$end ]; do \
		HYPOTHESIS_PROFILE=fuzz $(PYTEST) -q -s -m fuzz -p no:cacheprovider; \
	done

# A warning, or a guide that raises, ends it with an error.
SPHINX = sphinx-build --fail-on-warning --keep-going --show-traceback -q
docs:  ## the site: manuals, guides (all of them run), API reference
	@tools/setup.sh docs
	@$(SOURCED) $(OWN_DOMAIN) TF_CPP_MIN_LOG_LEVEL=3 $(SPHINX) docs docs/_build/html
	@echo docs/_build/html/index.html

notebooks:  ## the guides as .ipynb: docs/_build/notebooks/
	@tools/setup.sh docs
	@$(SOURCED) jupytext --quiet --to ../_build/notebooks//ipynb docs/guides/[0-9]*.md
	@ls docs/_build/notebooks/*.ipynb

# Needs no build: this tree, a Python with NumPy, and a folder of wheels. WHEELS=folder
gpu-check:  ## what only an NVIDIA GPU can show, in 8 minutes: gpu_check/gpu_check.md
	@$(or $(PYTHON),python3) tools/gpu_check/gpu_check.py $(if $(WHEELS),--wheels $(WHEELS))

lock:  ## the pinned lists anew, from the others; versions move only where they must
	@tools/lock.sh

demo:  ## real photographs through the node; writes demo_out/
	@tools/setup.sh demo
	@$(SOURCED) python tools/demo/demo.py

demo-experiments: build  ## three small trainings on two workers, with a ledger; writes demo_out/
	@$(SOURCED) python tools/demo/experiments.py

bench: build  ## time of core, training data and steps, node, every runtime beside others
	@$(SOURCED) python tools/bench/core.py
	@$(SOURCED) python tools/bench/data.py
	@$(SOURCED) python tools/bench/train_step.py
	@$(SOURCED) $(OWN_DOMAIN) python tools/bench/node.py
	@$(SOURCED) python -m ssd_training.benchmark

release-model: build  ## train and deploy the released bundle again, into runs/release/; resumable
	@$(SOURCED) python tools/release/release_model.py

release-figure: build  ## the same from train alone, scored on val; into runs/release_figure/
	@$(SOURCED) python tools/release/release_model.py --figure

soak: build  ## half an hour of everything at once on the node
	@$(SOURCED) $(TEST_ENVIRONMENT) python -m tests.ros.soak

bench-eval: build  ## time of scoring, of the whole analysis, and of comparing two results
	@$(SOURCED) python tools/bench/evaluation.py

bench-ledger: build  ## how the ledger of experiments grows, in both stores
	@$(SOURCED) python tools/bench/ledger.py

bench-ros: build  ## throughput and latency of the node, as ratios to the core
	@$(SOURCED) $(OWN_DOMAIN) python tools/bench/ros.py --model model_int8_cpu.onnx
	@$(SOURCED) $(OWN_DOMAIN) python tools/bench/ros.py --model model.onnx

bench-attacks: build  ## frames answered, memory and end of the node under each attack
	@$(SOURCED) $(OWN_DOMAIN) python -m tests.ros.attacks

clean:  ## remove what was built, but not .venv
	@rm -rf build install log demo_out .venv/stamps/workspace

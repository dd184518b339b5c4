SHELL := bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
# One target after the other: they share install/ and, on small machines, two cores.
.NOTPARALLEL:
.PHONY: help build lint format test test-slow mutants demo lock bench bench-eval bench-ros soak clean

# colcon's setup files read unset variables, so no `-u` above.
SOURCED = source install/setup.bash &&
# A DDS domain of its own: neither a robot on the network nor another run takes part.
# ROS checks the types of message fields only when asked to; without it a wrong one crashes.
# A distribution brings pytest plugins of its own; the tests need none.
OWN_DOMAIN = ROS_DOMAIN_ID=$$((RANDOM % 101 + 1))
TEST_ENVIRONMENT = $(OWN_DOMAIN) ROS_PYTHON_CHECK_FIELDS=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
export PYTHON

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

build:  ## .venv/ and install/; later runs repeat only what has changed
	@tools/setup.sh

lint: build  ## ruff, mypy, import-linter
	@$(SOURCED) ruff check .
	@$(SOURCED) ruff format --check .
	@$(SOURCED) python -m mypy ssd_detector/ssd_detector ssd_detector_ros/ssd_detector_ros ssd_training/ssd_training
	@$(SOURCED) lint-imports

format: build  ## let ruff format the sources
	@$(SOURCED) ruff check --fix . && ruff format .

# A file runs in one worker: its tests share what they start. The longest files come first, else
# one worker ends minutes before the other.
# A worker that crashes ends the run: another one in its place has xdist wait for ever at the end.
LONGEST_FIRST = --no-loadscope-reorder tests/training tests/system tests/ros tests/bags tests/core
test: build  ## every test that needs neither a GPU nor the training data
	@$(SOURCED) $(TEST_ENVIRONMENT) python -m pytest -p xdist -n 2 --max-worker-restart=0 --dist loadfile $(LONGEST_FIRST) -m 'not slow'

test-slow: build  ## tests that take minutes or need the training data
	@$(SOURCED) $(TEST_ENVIRONMENT) python -m pytest -m slow
	@$(SOURCED) $(TEST_ENVIRONMENT) HYPOTHESIS_PROFILE=thorough python -m pytest -m 'property and not slow'

# MUTANTS='--all --resume ssd_training', for one.
mutants: build  ## ten minutes of small changes of the code, to see whether tests see them
	@$(SOURCED) $(TEST_ENVIRONMENT) python tools/mutants/mutants.py $(MUTANTS)

lock:  ## requirements/lock*.txt anew, from the other lists; versions move only where they must
	@tools/lock.sh

demo:  ## real photographs through the node; writes demo_out/
	@tools/setup.sh demo
	@$(SOURCED) python tools/demo/demo.py

bench: build  ## time of core, training data and steps, node, and every runtime beside others
	@$(SOURCED) python tools/bench/core.py
	@$(SOURCED) python tools/bench/data.py
	@$(SOURCED) python tools/bench/train_step.py
	@$(SOURCED) $(OWN_DOMAIN) python tools/bench/node.py
	@$(SOURCED) python -m ssd_training.benchmark

soak: build  ## half an hour of everything at once on the node
	@$(SOURCED) $(TEST_ENVIRONMENT) python -m tests.ros.soak

bench-eval: build  ## time of scoring, of the whole analysis, and of comparing two results
	@$(SOURCED) python tools/bench/evaluation.py

bench-ros: build  ## throughput and latency of the node, as ratios to the core
	@$(SOURCED) $(OWN_DOMAIN) python tools/bench/ros.py --model model_int8_cpu.onnx
	@$(SOURCED) $(OWN_DOMAIN) python tools/bench/ros.py --model model.onnx

clean:  ## remove what was built, but not .venv
	@rm -rf build install log demo_out .venv/stamps/workspace

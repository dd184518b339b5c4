#!/usr/bin/env bash
# Writes tools/requirements/lock.txt, lock-demo.txt and lock-docs.txt: every version and the hashes of its files,
# for every Python that ROS has wheels for. What stands in lock.txt stays, where the other lists allow it.
# The images of experiments get the same versions in docker/training/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ros=docker/ros_wheels/requirements-ros.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

resolve() { # output, option or list ...
  local output=$1
  shift
  cp tools/requirements/lock.txt "$work/$output"
  uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
    --output-file "$work/$output" "$@"
}

compile() { # output, list ...
  local output=$1
  resolve "$@" --generate-hashes --constraint "$work/together.txt"
  {
    echo '# The versions that were tested together, with the hashes of their files: `make lock`.'
    cat "$work/$output"
  } >"tools/requirements/$output"
}

# One environment takes all lists, so the versions of one list suit the others.
resolve together.txt tools/requirements/{detector,demo,training,development,docs}.txt $ros
compile lock.txt tools/requirements/{detector,demo,training,development}.txt $ros
compile lock-demo.txt tools/requirements/{detector,demo}.txt $ros
# pytest-cov asks for this extra: where uv can't be had, pip wants it pinned by that name.
sed -i 's/^coverage==/coverage[toml]==/' tools/requirements/lock.txt tools/requirements/lock-demo.txt
compile lock-docs.txt tools/requirements/docs.txt

pin() { # output, list ...
  local output=docker/training/$1
  shift
  cp tools/requirements/lock.txt "$work/pins.txt"
  uv pip compile --quiet --python-version 3.12 --python-platform x86_64-manylinux_2_28 --no-header \
    --no-annotate --no-emit-package tensorflow-cpu --output-file "$work/pins.txt" "$@"
  {
    echo '# What this image takes from pip, all of it; versions as in tools/requirements/lock.txt: `make lock`.'
    cat "$work/pins.txt"
  } >"$output"
}

pin requirements-train.txt tools/requirements/{detector,training,gpu}.txt
pin requirements-tensorboard.txt tools/requirements/tensorboard.txt

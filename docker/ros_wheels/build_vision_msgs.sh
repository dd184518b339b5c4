#!/usr/bin/env bash
# Builds vision_msgs into the prefix, where a distribution has it:  build_vision_msgs.sh VENV
# colcon's install/ then holds this project's packages alone.
set -eo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(realpath "$1")
# Below the prefix, whose place names are relative to where a cache of compilations can use them.
work=$venv/build_vision_msgs
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT

source "$venv/setup.bash"
cmake -S "$here/vision_msgs" -B "$work/build" -DCMAKE_INSTALL_PREFIX="$venv" \
  -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
  -DCMAKE_PROJECT_INCLUDE="$here/fewer_compilations.cmake"
cmake --build "$work/build" --parallel "$(nproc)" --target install
python -c 'import rclpy, vision_msgs.msg'

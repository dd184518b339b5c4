#!/usr/bin/env bash
# Turns a virtual environment that holds the ROS wheels into a ROS prefix:  install.sh VENV
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$venv/bin/python" "$here/mend.py" "$here/../../ssd_detector_ros/params/fastdds_images.xml"
# From a copy: pip leaves build folders in the source.
cp -r "$here/standins" "$work/"
"$venv/bin/python" -m pip install --no-deps --no-build-isolation --force-reinstall "$work/standins"

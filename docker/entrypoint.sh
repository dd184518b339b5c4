#!/bin/bash
# Starts the node; arguments are those of detector.launch.py.
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /ws/install/setup.bash
# Not interactive: launch hands SIGINT on to the node also where docker gave it a terminal.
exec ros2 launch --noninteractive ssd_detector_ros detector.launch.py "$@"

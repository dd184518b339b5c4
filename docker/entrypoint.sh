#!/bin/bash
# Starts the node; arguments are those of detector.launch.py.
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /ws/install/setup.bash
exec ros2 launch ssd_detector_ros detector.launch.py "$@"

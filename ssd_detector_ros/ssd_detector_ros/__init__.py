"""The ROS 2 node around the ssd_detector core."""

"""Scores detectors on recordings; only the replay and the live check need ROS."""

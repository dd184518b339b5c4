"""The part of bag evaluation that needs ROS: the replay, and the check of a live node."""

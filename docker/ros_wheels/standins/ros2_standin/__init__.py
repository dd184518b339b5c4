"""
A stand-in for the `ros2` command: the verbs and options that tests and the README use.

run, launch, pkg, interface, node, topic, service, param, lifecycle, bag. There is no daemon:
each call looks for itself.
"""

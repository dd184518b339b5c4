"""The way of a frame through an active node."""

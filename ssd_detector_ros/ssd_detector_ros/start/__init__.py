"""From the command line to a spinning node."""

"""What the node says of itself once a second."""

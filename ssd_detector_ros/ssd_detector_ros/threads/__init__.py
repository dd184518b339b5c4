"""What runs beside the executor's thread, and what the executor leaves to it."""

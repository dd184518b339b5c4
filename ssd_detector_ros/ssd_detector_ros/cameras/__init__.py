"""Where images come from, and what is known of each camera."""

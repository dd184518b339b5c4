"""What a user can set: declared, checked, and read into frozen settings."""

"""Texts of others, fit for a line that people read."""

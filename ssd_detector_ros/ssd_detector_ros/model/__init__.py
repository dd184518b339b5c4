"""The model at work, and how another takes its place."""

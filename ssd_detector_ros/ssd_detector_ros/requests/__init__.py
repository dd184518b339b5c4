"""Answers to services and lifecycle transitions."""

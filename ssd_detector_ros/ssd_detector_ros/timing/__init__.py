"""Rates, latencies and counts."""

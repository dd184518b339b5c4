"""Recordings of annotated images, and images out of recordings."""

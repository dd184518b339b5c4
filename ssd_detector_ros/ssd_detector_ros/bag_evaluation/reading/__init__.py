"""Recordings of any storage as messages, images and boxes."""

"""Two detectors on the same recordings."""

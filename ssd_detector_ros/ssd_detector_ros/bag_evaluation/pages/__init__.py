"""Figures as lines, files and HTML pages."""

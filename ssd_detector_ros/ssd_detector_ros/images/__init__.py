"""From image messages to pixels."""

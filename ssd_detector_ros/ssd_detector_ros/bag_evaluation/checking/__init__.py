"""Whether a detector keeps the contract of a good one."""

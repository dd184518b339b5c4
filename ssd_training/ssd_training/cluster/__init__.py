"""Where one machine is outgrown: the queue and trainings on Ray, task files for SkyPilot."""

"""Tasks: their files, their datasets, their splits."""

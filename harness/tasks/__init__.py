"""Tasks: their files, datasets and splits."""

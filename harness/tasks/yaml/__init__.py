"""Task files: YAML with the place of each value, and messages that name file and line."""

"""The drawn faces of the default task."""

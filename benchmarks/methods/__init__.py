"""All bundled methods on the same tasks, with the same budget: a table, and a picture of forgetting against utility."""

"""The report of a run: data model, JSON Schema, wording, terminal summary and HTML page."""

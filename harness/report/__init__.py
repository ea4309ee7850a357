"""The report of a run: its model and schema, how it is written, summarised and shown as a page."""

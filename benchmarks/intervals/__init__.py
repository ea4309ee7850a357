"""How often the evaluators' intervals hold what they should, on made-up populations."""

"""Studies: methods, their options, tasks, seeds and budgets, each combination a run, and one table and page of all."""

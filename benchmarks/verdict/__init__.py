"""How often is the verdict wrong? See ``__main__`` for the command."""

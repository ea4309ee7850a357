"""A study: do the forgetting metrics rank unlearners of known quality? See ``__main__`` for the command."""

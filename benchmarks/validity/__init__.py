"""Do the forgetting metrics rank unlearners whose quality is known? See ``__main__`` for the command."""

"""Submissions that try to deceive the evaluation, and honest ones that look odd; see ``__main__`` for the command."""

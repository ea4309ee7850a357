"""Bundled unlearners, one method per file, registered through entry points like third-party plugins."""

"""Bundled unlearners, one method a file; each registers as a third party's would."""

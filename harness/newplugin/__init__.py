"""``harness new``: create the package of a new unlearner from a template.

:mod:`naming` validates the name, :mod:`rendering` renders the template, :mod:`writing` writes the files.
"""

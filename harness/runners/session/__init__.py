"""A session with a guest: the protocol, attempts at a model, the time limit, warm guests, causes of failures.

``time_limit`` enforces the time limit of a model, ``attempt`` is one try at a model. Nothing here depends on the kind of runner.
"""

"""``harness new``: the package of an unlearner, ready to be worked on and published.

:mod:`naming` says which names can be had, :mod:`rendering` fills the template in, :mod:`writing` puts it on disk.
"""

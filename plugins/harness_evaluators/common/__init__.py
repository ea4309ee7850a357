"""Code that several metrics use.

``evidence_analysis`` is what all of them read, ``control_and_noop`` puts a metric's null and no-op beside its value,
``bootstrap``, ``jackknife`` and ``half_samples`` give intervals, and the other modules are attacks and statistics.
"""

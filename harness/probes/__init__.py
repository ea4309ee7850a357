"""Probes: what the host computes from the weights of all models, for evaluators that need more than logits.

A probe is a function from weights to arrays, and knows nothing of runs, caches or processes. Evaluators name the probes that they
read; a plugin never sees a probe's results.
"""

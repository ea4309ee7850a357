"""The guest: a small program inside the sandbox that runs one unlearner and exchanges frames with the host.

Needs the standard library, torch, numpy, safetensors and pluggy; imports nothing else of this project but ``reference_models``.
"""

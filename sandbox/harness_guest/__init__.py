"""The guest: our small program inside the sandbox. It holds one unlearner at a time and talks to the host in frames.

Needs the standard library, torch, numpy, safetensors and pluggy; knows ``reference_models`` and nothing else of ours.
"""

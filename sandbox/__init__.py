"""What goes into the container, as data files: the Dockerfiles and the script that makes a base image.

Installed as ``harness.sandbox``; read with :mod:`importlib.resources`, never run on the host.
"""

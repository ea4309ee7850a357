"""Sandbox images: base, torch, guest and plugin image, each built on the one before."""

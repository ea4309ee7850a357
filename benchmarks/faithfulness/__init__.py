"""The study of which metrics tell models with knowledge of the forget set from models without it."""

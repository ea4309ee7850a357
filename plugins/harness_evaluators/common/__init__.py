"""Parts that several metrics use."""

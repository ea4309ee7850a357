"""Code that several metrics use: analysis of the evidence, resampling, calibration, and attacks that they share."""

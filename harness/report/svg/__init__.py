"""Plots and tables of the report page as SVG."""

"""Plots and pages as inline SVG and HTML."""

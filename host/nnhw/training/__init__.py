"""Rows -> float network."""

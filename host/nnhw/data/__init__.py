"""Rows to learn from: read, understood, split."""

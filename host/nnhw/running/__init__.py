"""Exported code on a target."""

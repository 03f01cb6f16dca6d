"""Experiments with statistics."""

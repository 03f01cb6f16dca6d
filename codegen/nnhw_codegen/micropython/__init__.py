"""Code for any MicroPython: portable and compact."""

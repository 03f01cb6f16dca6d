"""Freezes nnrun into a firmware: include this file from the manifest of the board."""

package("nnrun")

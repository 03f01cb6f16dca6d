"""Emulated cores without firmware: they run machine code that is placed in their memory."""

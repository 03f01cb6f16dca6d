"""Network -> build folder."""

"""One freestanding C99 header."""

"""The bare emulated core: its memory, its instructions, modules and C on it."""

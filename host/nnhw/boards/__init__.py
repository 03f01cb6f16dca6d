"""What is known about, and said to, a real board."""

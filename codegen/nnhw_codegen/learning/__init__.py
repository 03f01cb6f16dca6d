"""Training in integers: its plan, its engine, and the program that boards run."""

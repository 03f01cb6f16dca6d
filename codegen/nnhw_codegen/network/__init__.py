"""The input language of the compiler: a float network and its activations."""

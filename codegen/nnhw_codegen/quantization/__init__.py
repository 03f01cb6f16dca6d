"""Float network -> integers: weights, the doorway, the forms of the activations."""

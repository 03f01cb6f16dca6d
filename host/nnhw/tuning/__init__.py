"""Float network -> weights and a precision that survive as integers."""

"""Build folder -> board, and a trained model back."""

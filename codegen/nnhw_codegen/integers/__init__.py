"""The definition of every integer: expressions, precisions, the model, its reference and its proof."""

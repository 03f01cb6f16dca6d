"""Quantizer with proof, integer reference and code emitters of nnhw."""

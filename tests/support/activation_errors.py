"""How far an activation's integers are from the function."""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.quantization.activation_forms import integer_form


def largest_error(activation: Activation, z_frac: int, output_frac: int, limit: int) -> float:
    """The largest error of the integer form against the real function over all codes, in output units (SPEC 4.4)."""
    expr = integer_form(activation, z_frac, output_frac, limit)
    z = np.arange(-limit, limit + 1)
    code = z if expr is None else evaluate(expr, z)
    exact = np.clip(activation.value(z / 2.0**z_frac) * 2.0**output_frac, -limit, limit)
    return float(np.abs(code - exact).max())

"""SPEC 3 to 5 once more, in plain Python integers, one operation at a time, watching every intermediate.

It shares no code with the reference: the two readings of SPEC are compared with each other. ``peak`` keeps the largest
magnitude that ever occurred, ``sums`` the largest of any partial sum.
"""

from __future__ import annotations

from nnhw_codegen.integers.expr import Expr
from nnhw_codegen.integers.qmodel import QModel

LIMIT = 1 << 30


class ScalarEngine:
    """Runs a quantized model; raises AssertionError where an intermediate reaches 2^30."""

    def __init__(self, model: QModel) -> None:
        self.model = model
        self.peak = 0
        self.sums = [0] * len(model.layers)

    def see(self, value: int) -> int:
        self.peak = max(self.peak, abs(value))
        assert -LIMIT < value < LIMIT, f"an intermediate reached {value}"
        return value

    def logits(self, ticks: list[int]) -> list[int]:
        """Ticks -> outputs."""
        return self.logits_from_codes(self.codes(ticks))

    def codes(self, ticks: list[int]) -> list[int]:
        """Ticks -> input codes (SPEC 3.3)."""
        x = []
        for entry, tick in zip(self.model.inputs, ticks, strict=True):
            u = self.see(min(max(tick, entry.low), entry.low + entry.span) - entry.low)
            x.append(self.see(self.see(u * entry.gain) + entry.offset) >> entry.shift)
        return x

    def logits_from_codes(self, x: list[int]) -> list[int]:
        """Input codes -> outputs (SPEC 5.2)."""
        for index, layer in enumerate(self.model.layers):
            outputs = []
            for weights, bias, shift in zip(
                layer.weights.tolist(), layer.bias.tolist(), layer.shift.tolist(), strict=True
            ):
                total = self.see(bias)
                for weight, value in zip(weights, x, strict=True):
                    total = self.see(total + self.see(weight * value))
                    self.sums[index] = max(self.sums[index], abs(total))
                z = total >> shift
                if layer.limit:
                    self.see(z - layer.limit), self.see(z + layer.limit)
                    z = min(max(z, -layer.limit), layer.limit)
                outputs.append(z if layer.activation is None else self.activate(layer.activation, z))
            x = outputs
        return x

    def activate(self, expr: Expr, z: int) -> int:
        """An activation expression (SPEC 4.1)."""
        if expr.op == "input":
            return z
        a, *rest = (self.activate(arg, z) if isinstance(arg, Expr) else arg for arg in expr.args)
        if expr.table is not None:
            assert 0 <= a < len(expr.table.values), f"index {a} outside its table"
            return self.see(expr.table.values[a])
        b = rest[0]
        if expr.op == "shr":
            assert 1 <= b <= 31
            return self.see(a >> b)
        if expr.op == "min":
            return a if a < b else b
        if expr.op == "max":
            return a if a > b else b
        return self.see({"add": a + b, "sub": a - b, "mul": a * b}[expr.op])

"""Fixed-point training of one network in plain integers, written from SPEC 9; no value may reach 2^30 in magnitude."""

from __future__ import annotations

import operator

from nnhw_codegen.integers.expr import Expr, Register, linearize
from nnhw_codegen.learning.plan import Plan

LIMIT = 2**30

OPERATIONS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "shr": operator.rshift,
    "min": min,
    "max": max,
}


class Peak:
    """Passes values through, refuses those beyond 31 bits, and remembers the largest magnitude."""

    largest = 0

    def __call__(self, value):
        assert -LIMIT < value < LIMIT, value
        self.largest = max(self.largest, abs(value))
        return value


def sat(value, limit):
    return max(-limit, min(limit, value))


def half(shift):
    return 1 << (shift - 1) if shift else 0


class ScalarLearner:
    """weights[l][j][i], biases[l][j], remainders[l][j][i] (residual) or carries[l], and noise: plain integers."""

    def __init__(self, plan: Plan, weights, biases):
        self.plan, self.v, self.values = plan, Peak(), {}
        self.weights, self.biases = weights, biases
        self.rate(plan.profile.rate_multiplier, plan.profile.rate_shift)
        self.remainders = [
            [[half(self.fine(layer)) for _ in row] for row in rows]
            for layer, rows in zip(plan.layers, weights, strict=True)
        ]
        self.carries = [half(self.fine(layer)) for layer in plan.layers]
        self.noise = 1

    def rate(self, m, k):
        self.m, self.k = m, k

    def fine(self, layer):
        return max(0, min(16, layer.update_base + self.k))

    def evaluate(self, expr: Expr, z):
        if id(expr) not in self.values:
            self.values[id(expr)] = linearize(expr), {}
        program, known = self.values[id(expr)]
        if z not in known:
            known[z] = self.run(*program, z)
        return known[z]

    def run(self, instructions, result, z):
        registers = {0: z}
        for instruction in instructions:
            a, b = (registers[o.index] if isinstance(o, Register) else o for o in (instruction.a, instruction.b))
            if instruction.op == "look":
                assert a >= 0
                value = instruction.table.values[a]
            else:
                value = OPERATIONS[instruction.op](a, b)
            registers[instruction.into.index] = self.v(value)
        return registers[result.index]

    def seen(self, layer, weight):
        if not layer.seen_shift:
            return weight
        return sat(self.v(weight + half(layer.seen_shift)) >> layer.seen_shift, layer.seen_limit)

    def forward(self, x):
        v = self.v
        self.x, self.z = [], []
        for layer, rows, bias in zip(self.plan.layers, self.weights, self.biases, strict=True):
            self.x.append(x)
            z = []
            for row, b in zip(rows, bias, strict=True):
                acc = v(v(v(b + half(layer.bias_shift)) >> layer.bias_shift) + layer.forward_constant)
                for w, a in zip(row, x, strict=True):
                    acc = v(acc + (v(self.seen(layer, w) * a) >> layer.guard))
                acc >>= layer.z_shift
                z.append(sat(acc, layer.z_limit) if layer.z_limit else acc)
            self.z.append(z)
            if layer.z_limit:
                x = z if layer.value is None else [self.evaluate(layer.value, code) for code in z]
        return self.z[-1]

    def sloped(self, layer, delta, z):
        limit = self.plan.profile.delta_limit
        if layer.slope is None:
            return delta
        product = self.v(delta * self.evaluate(layer.slope, sat(z, layer.z_limit or 32767)))
        return sat(self.v(product + half(layer.slope_frac)) >> layer.slope_frac, limit)

    def output_delta(self, z, targets):
        v, layer, limit = self.v, self.plan.layers[-1], self.plan.profile.delta_limit
        if self.plan.softmax:
            top = max(z)
            powers = [self.evaluate(layer.value, min(v(top - code), 32767)) for code in z]
            total = v(sum(powers))
            y = [v(v(p << layer.z_frac) + (total >> 1)) // total for p in powers]
        elif layer.value is None:
            y = z
        else:
            y = [self.evaluate(layer.value, sat(code, 32767)) for code in z]
        delta = [sat(v(a - t), limit) for a, t in zip(y, targets, strict=True)]
        if self.plan.softmax:
            return delta
        return [self.sloped(layer, d, code) for d, code in zip(delta, z, strict=True)]

    def step(self, x, targets):
        v, layers = self.v, self.plan.layers
        deltas = [self.output_delta(self.forward(x), targets)]
        for index in range(len(layers) - 1, self.plan.lowest, -1):
            layer, below = layers[index], layers[index - 1]
            delta = []
            for i, z in enumerate(self.z[index - 1]):
                e = layer.back_constant
                for row, d in zip(self.weights[index], deltas[0], strict=True):
                    e = v(e + (v(self.seen(layer, row[i]) * d) >> layer.back_guard))
                e = sat(e >> layer.back_shift, self.plan.profile.delta_limit)
                delta.append(self.sloped(below, e, z))
            deltas.insert(0, delta)
        for index in range(len(layers) - 1, self.plan.lowest - 1, -1):
            if layers[index].trains:
                self.update(index, deltas[index - self.plan.lowest])

    def update(self, index, delta):
        v, layer, scheme = self.v, self.plan.layers[index], self.plan.profile.scheme
        total = layer.update_base + self.k
        coarse, fine = max(0, total - 16), self.fine(layer)
        for j, d in enumerate(delta):
            g = sat(v(d * self.m), 32766)
            for i, a in enumerate(self.x[index]):
                change = v(g * a)
                if total < 0:
                    change = v(change << -total)
                else:
                    change = v(change + half(coarse)) >> coarse
                    if scheme == "residual":
                        change = v(change + self.remainders[index][j][i])
                        self.remainders[index][j][i] = change & ((1 << fine) - 1)
                    elif scheme == "carry":
                        change = v(change + self.carries[index])
                        self.carries[index] = change & ((1 << fine) - 1)
                    elif scheme == "lcg":
                        self.noise = v(v(self.noise * 12829) + 13849) & 65535
                        change = v(change + (self.noise >> (16 - fine)))
                    else:
                        change = v(change + half(fine))
                    change >>= fine
                weight = v(self.weights[index][j][i] - change)
                self.weights[index][j][i] = sat(weight, layer.weight_limit)
            shift = layer.bias_base - self.k
            change = v(g << shift) if shift >= 0 else v(g + half(-shift)) >> -shift
            self.biases[index][j] = sat(v(self.biases[index][j] - change), 2**29 - 1)

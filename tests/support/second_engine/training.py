"""SPEC chapter 9: training, one row at a time."""

from __future__ import annotations

from dataclasses import dataclass

from second_engine import forms
from second_engine.codes import code_of, half, sat
from second_engine.decision import Answer, decide
from second_engine.nnt_file import LayerState, LearningModel, State

M16 = 32767
BIAS_LIMIT = 2**29 - 1


def small(value: int) -> int:
    """SPEC 2.1: no intermediate of training reaches 2^30 either (chapter 9)."""
    assert abs(value) < 2**30, "2^30 reached"
    return value


@dataclass(frozen=True)
class Pass:
    """SPEC 9.5: the inputs and the z of every layer, last z unsaturated."""

    inputs: tuple[tuple[int, ...], ...]
    z: tuple[tuple[int, ...], ...]


class Trainer:
    """SPEC 9.2: a model in training; ``state`` is what the file would hold."""

    def __init__(self, model: LearningModel, state: State) -> None:
        self.model = model
        self.m, self.k, self.n = state.m, state.k, state.n
        self.weights = [[list(row) for row in layer.weights] for layer in state.layers]
        self.biases = [list(layer.biases) for layer in state.layers]
        self.remainders = [list(layer.remainders) for layer in state.layers]
        self.weight_limit = (1 << (model.weight_bits - 1)) - 1
        self.last = len(model.layers) - 1

    @property
    def state(self) -> State:
        """SPEC 9.2, 10.5: weights, biases and remainders as they are now."""
        layers = zip(self.weights, self.biases, self.remainders, strict=True)
        return State(
            self.m, self.k, self.n, tuple(LayerState(tuple(map(tuple, w)), tuple(b), tuple(r)) for w, b, r in layers)
        )

    def forward(self, codes: list[int]) -> Pass:
        """SPEC 9.5: all layers."""
        inputs, zs = [], []
        for index, layer in enumerate(self.model.layers):
            inputs.append(tuple(codes))
            z = [self.unit(index, j, codes) for j in range(layer.units)]
            if index != self.last:
                z = [sat(each, layer.shifts.limit) for each in z]
                codes = [forms.run(layer.value, self.model.tables, each) for each in z]
            zs.append(tuple(z))
        return Pass(tuple(inputs), tuple(zs))

    def unit(self, index: int, j: int, codes: list[int]) -> int:
        """SPEC 9.5: z of one neuron, not saturated."""
        at = self.model.layers[index].shifts
        acc = small(((self.biases[index][j] + half(at.sb)) >> at.sb) + at.c)
        for weight, x in zip(self.weights[index][j], codes, strict=True):
            acc = small(acc + ((weight * x) >> at.p))
        return acc >> at.sz

    def logits(self, codes: list[int]) -> list[int]:
        """SPEC 9.5: z of the last layer, in Fd."""
        return list(self.forward(codes).z[-1])

    def output_deltas(self, z: tuple[int, ...], targets: list[int]) -> list[int]:
        """SPEC 9.6: d of the last layer; the targets are codes in Fd."""
        layer, tables = self.model.layers[-1], self.model.tables
        if self.model.softmax:
            e = [forms.run(layer.value, tables, min(max(z) - each, M16)) for each in z]
            total = small(sum(e))
            y = [((small(each << self.model.fd)) + (total >> 1)) // total for each in e]
            return [sat(a - t, M16) for a, t in zip(y, targets, strict=True)]
        if not layer.value.instructions:
            return [sat(each - t, M16) for each, t in zip(z, targets, strict=True)]
        held = [sat(each, M16) for each in z]
        d = [sat(forms.run(layer.value, tables, each) - t, M16) for each, t in zip(held, targets, strict=True)]
        if self.squared_error:
            return [self.through_slope(self.last, each, at) for each, at in zip(d, held, strict=True)]
        return d

    @property
    def squared_error(self) -> bool:
        """SPEC 9.6: whether the loss wants the derivative of the last activation."""
        entropy = self.model.activations[-1] in ("softmax", "logsig")
        return self.model.loss == "squared_error" or (self.model.loss == "auto" and not entropy)

    def through_slope(self, index: int, e: int, z: int) -> int:
        """SPEC 9.7: times the derivative at z; a form without instructions is 1."""
        layer = self.model.layers[index]
        if not layer.slope.instructions:
            return e
        s = layer.shifts.slope_frac
        return sat(small(e * forms.run(layer.slope, self.model.tables, z) + half(s)) >> s, M16)

    def backward(self, index: int, d: list[int], z_below: tuple[int, ...]) -> list[int]:
        """SPEC 9.7: the deltas of the layer below."""
        layer = self.model.layers[index]
        at = layer.shifts
        below = []
        for i in range(layer.fan_in):
            e = at.c_back
            for j in range(layer.units):
                e = small(e + ((self.weights[index][j][i] * d[j]) >> at.p_back))
            below.append(self.through_slope(index - 1, sat(e >> at.e_shift, M16), z_below[i]))
        return below

    def step(self, codes: list[int], targets: list[int]) -> None:
        """SPEC 9.6, 9.7, 9.8: one step on one row; all deltas before any update."""
        run = self.forward(codes)
        deltas = [self.output_deltas(run.z[-1], targets)]
        for index in range(self.last, 0, -1):
            deltas.insert(0, self.backward(index, deltas[0], run.z[index - 1]))
        for index in range(self.last, -1, -1):
            if self.model.layers[index].shifts.learns:
                self.update(index, run.inputs[index], deltas[index])

    def update(self, index: int, x: tuple[int, ...], d: list[int]) -> None:
        """SPEC 9.8: the weights of one layer row by row, then the bias of each row."""
        at = self.model.layers[index].shifts
        for j, delta in enumerate(d):
            g = sat(delta * self.m, 32766)
            for i, code in enumerate(x):
                self.update_weight(index, j, i, small(g * code))
            up = at.bias_update - self.k
            change = small(g << up) if up >= 0 else (g + half(-up)) >> -up
            self.biases[index][j] = sat(small(self.biases[index][j] - change), BIAS_LIMIT)

    def update_weight(self, index: int, j: int, i: int, product: int) -> None:
        """SPEC 9.8: one weight and what is left over of its change."""
        row, rests = self.weights[index][j], self.remainders[index]
        s = self.model.layers[index].shifts.update + self.k
        if s < 0:
            row[i] = sat(row[i] - small(product << -s), self.weight_limit)
            return
        s0 = max(0, s - 16)
        s1 = s - s0
        place = j * len(row) + i
        if self.model.scheme == "lcg":
            self.n = (self.n * 12829 + 13849) & 65535
            r = self.n >> (16 - s1)
        elif self.model.scheme == "nearest":
            r = half(s1)
        else:
            r = rests[place if self.model.scheme == "residual" else 0]
        v = small(((product + half(s0)) >> s0) + r)
        row[i] = sat(row[i] - (v >> s1), self.weight_limit)
        if self.model.scheme in ("residual", "carry"):
            rests[place if self.model.scheme == "residual" else 0] = v & ((1 << s1) - 1)

    def set_rate(self, m: int, k: int) -> None:
        """SPEC 9.9: a new rate between two steps; remainders keep their value."""
        for index, layer in enumerate(self.model.layers):
            before, after = (max(0, min(16, layer.shifts.update + each)) for each in (self.k, k))
            shift = after - before
            rests = self.remainders[index]
            self.remainders[index] = [r << shift if shift >= 0 else r >> -shift for r in rests]
        self.m, self.k = m, k


def answer(trainer: Trainer, codes: list[int]) -> Answer:
    """SPEC 9.5, 9.10: the answer to a row."""
    model, z = trainer.model, trainer.logits(codes)
    if model.decision == "values" and model.layers[-1].value.instructions:
        z = [forms.run(model.layers[-1].value, model.tables, sat(each, M16)) for each in z]
    return decide(model.decision, z, model.outputs)


def class_targets(model: LearningModel, label: int | list[int]) -> list[int]:
    """SPEC 9.6: 0 and 2^Fd for a class, and for no and yes."""
    one = 1 << model.fd
    if isinstance(label, list):
        return [one * each for each in label]
    if model.decision == "threshold":
        return [one * label]
    return [one * (j == label) for j in range(model.layers[-1].units)]


def value_targets(model: LearningModel, values: list[float]) -> list[int]:
    """SPEC 9.10: codes in the F of each output, less its offset."""
    pairs = zip(values, model.outputs, strict=True)
    return [sat(code_of(value - kind.offset, kind.frac), BIAS_LIMIT) for value, kind in pairs]

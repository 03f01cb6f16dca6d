"""SGD in float64 with one row per step, for many networks at once: what fixed-point training is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnhw_codegen.network.activations import Activation


class FloatLearner:
    """Networks of one shape, all arrays with the networks last: ``weights[l]`` (units, inputs, networks).

    Softmax and logsig have cross-entropy behind them unless ``mse``.
    """

    def __init__(
        self,
        activations: Sequence[Activation],
        weights: Sequence[np.ndarray],
        biases: Sequence[np.ndarray],
        rate: float,
        at_zero: float = 1.0,
        mse: bool = False,
    ) -> None:
        """Start from ``weights[l]`` (networks, units, inputs) and ``biases[l]`` (networks, units)."""
        self.activations, self.rate, self.at_zero, self.mse = activations, rate, at_zero, mse
        self.weights = [np.moveaxis(w, 0, -1).copy() for w in weights]
        self.biases = [b.T.copy() for b in biases]

    def forward(self, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """x (inputs, networks) -> what each layer sees and its z, both (units, networks) per layer."""
        seen, z = [], []
        for weights, bias, activation in zip(self.weights, self.biases, self.activations, strict=True):
            seen.append(x)
            z.append((weights * x).sum(axis=1) + bias)
            x = z[-1] if activation.across_units else activation.value(z[-1])
        return seen, z

    def step(self, x: np.ndarray, targets: np.ndarray) -> None:
        """One step on x (inputs, networks) and targets (units, networks)."""
        seen, z = self.forward(x)
        delta = self._output_delta(z[-1], targets)
        for index in range(len(z) - 1, -1, -1):
            if index:
                below = (self.weights[index] * delta[:, None]).sum(axis=0)
                below *= self.activations[index - 1].derivative(z[index - 1], self.at_zero)
            self.weights[index] -= self.rate * delta[:, None] * seen[index]
            self.biases[index] -= self.rate * delta
            if index:
                delta = below

    def _output_delta(self, z: np.ndarray, targets: np.ndarray) -> np.ndarray:
        activation = self.activations[-1]
        if activation.across_units:
            powers = np.exp(z - z.max(axis=0))
            return powers / powers.sum(axis=0) - targets
        delta = activation.value(z) - targets
        if self.mse or not activation.gives_probabilities:
            delta *= activation.derivative(z, self.at_zero)
        return delta

    def decide(self, rows: np.ndarray) -> np.ndarray:
        """Class indices (n, networks) of rows (n, inputs, networks)."""
        z = np.array([self.forward(x)[1][-1] for x in rows])
        return (z[:, 0] > 0).astype(np.int64) if z.shape[1] == 1 else z.argmax(axis=1)

    def parameters(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights (networks, units, inputs) and biases (networks, units), per layer."""
        return [np.moveaxis(w, -1, 0) for w in self.weights], [b.T for b in self.biases]

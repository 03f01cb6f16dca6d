"""A made-up code: every sum is a loop over its layer's weights, and what hidden layers give lies in lists."""

from __future__ import annotations

from nnhw_codegen.integers.program import Program
from nnhw_codegen.micropython import interface, values
from nnhw_codegen.micropython.activation import finish, functions
from nnhw_codegen.writer import Origin, Writer


def emit(program: Program, origin: Origin, form: str = "auto") -> dict[str, bytes]:
    """The module as {file name: content}."""
    w = Writer()
    interface.head(w, origin, values.IMPORT)
    interface.constants(w, program, origin)
    interface.tables(w, program)
    w.line(f"_t = [0] * {len(program.inputs)}")
    w.line(f"_y = [0] * {program.layers[-1].units}")
    for number, layer in enumerate(program.layers):
        w.line(f"_W{number} = {tuple(layer.weights.ravel().tolist())}")
        w.line(f"_h{number} = [0] * {layer.units}")
    names = functions(w, program, least_calls=1)
    with w.function("logits_from_codes(x, y)", "Input codes to outputs, made up."):
        for number, layer in enumerate(program.layers):
            into = "y" if number + 1 == len(program.layers) else f"_h{number}"
            for unit in range(layer.units):
                w.line(f"r0 = {int(layer.bias[unit])}")
                with w.block(f"for i in range({layer.fan_in}):"):
                    w.line(f"r0 += _W{number}[{unit * layer.fan_in} + i] * x[i]")
                w.line(f"r0 >>= {int(layer.shift[unit])}")
                finish(w, program, layer, names, layer.clips(unit), f"{into}[{unit}]")
            w.line(f"x = {into}")
    with w.function("logits_from_ticks(t, y)", "Ticks to outputs, made up."):
        for n, entry in enumerate(program.inputs):
            w.line(f"r0 = min(max(t[{n}], {entry.low}), {entry.low + entry.span}) - {entry.low}")
            w.line(f"_t[{n}] = r0 * {entry.gain} + {entry.offset} >> {entry.shift}")
        w.line("logits_from_codes(_t, y)")
    values.emit(w, [entry.reciprocal for entry in program.inputs])
    interface.decide(w, program)
    with w.function("predict_ticks(t)", "Ticks to the answer, made up."):
        w.lines("logits_from_ticks(t, _y)", "return decide(_y)")
    interface.answers(w, program, "logits_from_ticks(_t, _y)", "return decide(_y)")
    return {f"{origin.name}.py": w.text().encode()}

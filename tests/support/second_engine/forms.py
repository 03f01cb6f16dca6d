"""SPEC 4.1, 7.6: functions of z as instructions."""

from __future__ import annotations

from second_engine.file_bytes import Form, Table


def run(form: Form, tables: tuple[Table, ...], z: int) -> int:
    """SPEC 4.1, 7.6: the value of a form at z; a form without instructions is z itself."""
    registers = [z] + [0] * max(0, form.registers - 1)

    def operand(byte: int) -> int:
        return registers[byte] if byte < 128 else form.constants[byte - 128]

    for instruction in form.instructions:
        a = operand(instruction.a)
        if instruction.operation == 6:
            entries = tables[instruction.b].entries
            assert 0 <= a < len(entries), "index outside the table"
            value = entries[a]
        else:
            value = calculate(instruction.operation, a, operand(instruction.b))
        assert abs(value) < 2**30, "2.5"
        registers[instruction.target] = value
    return registers[form.result]


def calculate(operation: int, a: int, b: int) -> int:
    """SPEC 4.1: the six operations between integers."""
    if operation == 0:
        return a + b
    if operation == 1:
        return a - b
    if operation == 2:
        return a * b
    if operation == 3:
        assert 1 <= b <= 31
        return a >> b
    if operation == 4:
        return min(a, b)
    assert operation == 5
    return max(a, b)

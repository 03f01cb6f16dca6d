"""The integer form of any activation, derived from its record (SPEC 4).

Straight parts become a branchless maximum; curves become a table over |z|: linear interpolation between
minimax-shifted nodes where codes have 16 bits, one entry per code where they have 8 bits or fewer.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nnhw_codegen.integers.expr import Expr, Table, Z, look, maximum, minimum
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.network.activations import Activation, Curve

TABLE_FRAC = 15
"""Table nodes carry at most 15 fraction bits, so a node times 2^9 stays below 2^24."""

ERROR_GOAL = 0.9
"""A table is long enough when no output is off by more than this many units of 2^-12 (1/2 is perfect rounding)."""

_WIDE_BITS = 15  # the magnitude of a 16-bit code


def domain_frac(curve: Curve, limit: int) -> int:
    """Fraction bits at which a magnitude of ``limit`` just covers the curve's reach."""
    return limit.bit_length() - int(np.ceil(np.log2(curve.reach)))


def formats(activation: Activation, calibrated_frac: int, limit: int) -> tuple[int, int]:
    """(z_frac, output_frac) for an activation whose calibration asks for ``calibrated_frac`` (SPEC 4.6).

    A bounded curve fixes z to the format that covers its reach and uses the whole output range; a straight part keeps
    the output in the format of z.
    """
    if activation.curve is None:
        return calibrated_frac, calibrated_frac
    domain = domain_frac(activation.curve, limit)
    if activation.ramp is None:
        return domain, limit.bit_length() - _whole_bits(activation.curve)
    frac = min(calibrated_frac, domain)
    return frac, frac


def _whole_bits(curve: Curve) -> int:
    """Integer bits that the values of a curve without a straight part need: 0 for functions within -1..1."""
    return max(0, int(np.ceil(np.log2(_largest(curve)))))


def _largest(curve: Curve) -> float:
    """The largest magnitude of the half curve within its reach."""
    return float(np.abs(curve.half(np.linspace(0.0, curve.reach, 1025))).max())


def integer_form(
    activation: Activation, z_frac: int, output_frac: int, limit: int, goal: float = ERROR_GOAL
) -> Expr | None:
    """The integer expression of ``activation`` on codes -limit..limit (SPEC 4); None for the identity."""
    ramp = None if activation.ramp is None else _ramp(activation)
    if activation.curve is None:
        return None if ramp is Z else ramp
    if ramp is None:
        return _curve(activation.curve, z_frac, output_frac, limit, goal)
    if _largest(activation.curve) * 2.0**output_frac < 0.5:
        return None if ramp is Z else ramp  # the curve is below half a unit everywhere
    return minimum(maximum(ramp + _curve(activation.curve, z_frac, output_frac, limit, goal), -limit), limit)


def _ramp(activation: Activation) -> Expr:
    slope = activation.integer_ramp
    assert slope is not None
    if slope == 1:
        return Z
    if slope == 0:
        return maximum(Z, 0)
    shift = slope.denominator.bit_length() - 1
    scaled = Z if slope.numerator == 1 else Z * slope.numerator
    return maximum(Z, scaled >> shift)


def _curve(curve: Curve, z_frac: int, output_frac: int, limit: int, goal: float) -> Expr:
    magnitude = maximum(Z, 0 - Z)
    if limit.bit_length() <= 8:
        half = _direct(curve, magnitude, z_frac, output_frac, limit)
    else:
        half = _interpolated(curve, magnitude, z_frac, output_frac, limit, goal)
    if curve.mirror == "even":
        return half
    center = round(curve.center * 2.0**output_frac)
    # t for z >= 0 and center - t for z < 0, without a branch: the sign is 0 or -1.
    return half + (half + half - center) * (Z >> limit.bit_length())


def _direct(curve: Curve, magnitude: Expr, z_frac: int, output_frac: int, limit: int) -> Expr:
    u = np.arange(limit + 1) / 2.0**z_frac
    codes = np.floor(curve.half(u) * 2.0**output_frac + 0.5).astype(np.int64)
    codes = np.clip(codes, -limit, limit)
    base = min(0, int(codes.min()))
    table = Table(tuple(int(v) for v in codes - base), 8)
    found = look(table, magnitude)
    return found if base == 0 else found + base


def _interpolated(curve: Curve, magnitude: Expr, z_frac: int, output_frac: int, limit: int, goal: float) -> Expr:
    bits = limit.bit_length()
    widen = domain_frac(curve, limit) - z_frac
    if widen < 0:
        raise ValueError(f"z_frac {z_frac} is finer than the table's domain")
    if widen > 0:
        # Beyond 2^(bits - widen) the index is the limit anyway: cutting there keeps the product at 2^bits.
        widen = min(widen, bits)
        magnitude = minimum(magnitude, 1 << (bits - widen)) * (1 << widen)
    index = minimum(magnitude, limit)
    cell_bits = _cell_bits(curve, goal)
    nodes, base, node_frac = _nodes(curve, cell_bits, output_frac)
    table = Table(nodes, 16)
    cell = index >> cell_bits
    fraction = index - cell * (1 << cell_bits)
    left = look(table, cell)
    slope = look(table, cell + 1) - left
    shift = cell_bits + node_frac - output_frac
    value = (left * (1 << cell_bits) + slope * fraction + (1 << (shift - 1))) >> shift
    return value if base == 0 else value + base


@lru_cache(maxsize=64)
def _cell_bits(curve: Curve, goal: float) -> int:
    """log2 of the cell width of the shortest table that meets the goal with z and output in Q3.12 (SPEC 4.4)."""
    limit = (1 << _WIDE_BITS) - 1
    frac = domain_frac(curve, limit)
    for cell_bits in range(11, 4, -1):
        if _error(curve, cell_bits, frac, 12, limit) <= goal:
            break
    return cell_bits


def _error(curve: Curve, cell_bits: int, z_frac: int, output_frac: int, limit: int) -> float:
    """Largest error of the interpolated half curve over all codes, in output units."""
    nodes, base, node_frac = _nodes(curve, cell_bits, output_frac)
    u = np.arange(limit + 1)
    t = np.array(nodes, dtype=np.int64)
    cell, fraction = u >> cell_bits, u & ((1 << cell_bits) - 1)
    shift = cell_bits + node_frac - output_frac
    value = (((t[cell] << cell_bits) + (t[cell + 1] - t[cell]) * fraction + (1 << (shift - 1))) >> shift) + base
    return float(np.abs(value - curve.half(u / 2.0**z_frac) * 2.0**output_frac).max())


@lru_cache(maxsize=64)
def _nodes(curve: Curve, cell_bits: int, output_frac: int) -> tuple[tuple[int, ...], int, int]:
    """(unsigned nodes, base in output units, fraction bits of the nodes) for cells of 2^cell_bits codes.

    Each node moves by half the mean mid-cell chord error of its two cells, which about halves the largest error of
    plain nodes (the minimax shift).
    """
    cells = 1 << (_WIDE_BITS - cell_bits)
    u = np.arange(cells + 1) * (curve.reach / cells)
    exact = curve.half(u)
    chord_error = curve.half((u[:-1] + u[1:]) / 2) - (exact[:-1] + exact[1:]) / 2
    exact = exact + 0.5 * np.concatenate(
        ([chord_error[0]], (chord_error[:-1] + chord_error[1:]) / 2, [chord_error[-1]])
    )
    base = min(0, int(np.floor(exact.min() * 2.0**output_frac)))
    span = float(exact.max()) - base / 2.0**output_frac
    frac = TABLE_FRAC - max(0, int(np.ceil(np.log2(span))))
    nodes: IntArray = np.floor((exact - base / 2.0**output_frac) * 2.0**frac + 0.5).astype(np.int64)
    return tuple(int(v) for v in np.minimum(nodes, (1 << TABLE_FRAC) - 1)), base, frac


def table_bytes(expr: Expr | None) -> int:
    """Bytes of all tables that ``expr`` reads."""
    tables: set[Table] = set()

    def visit(node: Expr) -> None:
        if node.table is not None:
            tables.add(node.table)
        for arg in node.args:
            if isinstance(arg, Expr):
                visit(arg)

    if expr is not None:
        visit(expr)
    return sum(len(t.to_bytes()) for t in tables)

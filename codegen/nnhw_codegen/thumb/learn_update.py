"""Thumb code of a training step: what changes biases, weights and remainders.

The rate's shifts stand in the program, so that it can change between two steps. A layer is gone through twice, first for
its biases, which makes gradients of the deltas, then for its weights:

         biases                      weights
    r0   deltas, then gradients      inputs
    r1   biases                      weights
    r2   multiplier                  remainders
    r3   shift to the left           gradient
    r4   shift to the right          shift
    r5   half of it                  mask, or half of a coarse shift
    r6   gradient, then change       product, then change
    r7   bias, end of the deltas     remainder, then weight
    r10  largest gradient            walks along the gradients
    r11  smallest gradient           first input
    r12  largest bias                end of the gradients
    lr   smallest bias               where the unrolled part of the inputs ends
"""

from __future__ import annotations

from nnhw_codegen.learning.blocks import Rate, UpdateBlock
from nnhw_codegen.learning.plan import BIAS_LIMIT, GRADIENT_LIMIT
from nnhw_codegen.thumb.learn_frame import END, PROGRAM, StepCode

_UNROLL = 8


def update(code: StepCode, block: UpdateBlock) -> None:
    """One layer."""
    fan_in = block.inputs.count
    code(f"ldr r7, {PROGRAM}")
    code.move("r7", 4 * block.at, "r0")
    _biases(code, block)
    rounded, done, coarse = (code.new_label() for _ in range(3))
    code(f"ldr r7, {PROGRAM}")
    code.move("r7", 4 * block.at, "r0")
    code.room_high("r10", block.deltas.place, "r0")
    code.room_high("r12", block.deltas.end, "r0")
    code.room_high("lr", block.inputs.place + _UNROLL * (fan_in // _UNROLL), "r0")
    code.room("r0", block.inputs.place)
    code("mov r11, r0")
    code.file("r1", block.weights)
    code.file("r2", block.remainders)
    code(f"ldr r4, {_rate(Rate.COARSE)}", "cmp r4, #0", f"beq {rounded}", f"b {coarse}")
    code.label(rounded)
    code(f"ldr r4, {_rate(Rate.FINE)}", f"ldr r5, {_rate(Rate.MASK)}")
    # A remainder of v is what the mask leaves.
    # Where the inputs are those of the network, hardly one is 0.
    skips = not block.takes_codes
    _rows(code, fan_in, skips, (), ("movs r7, r5", "ands r7, r6", "strh r7, {}", "asrs r6, r4"))
    code(f"b {done}")
    code.label(coarse)
    code(f"ldr r5, {_rate(Rate.HALF)}")
    # With a coarse shift a remainder has 16 bits.
    _rows(code, fan_in, skips, ("adds r6, r6, r5", "asrs r6, r4"), ("strh r6, {}", "asrs r6, r6, #16"))
    code.label(done)


def _rate(place: Rate) -> str:
    """The word of the board's program, r7 being where the block begins."""
    return f"[r7, #{4 * place}]"


def _biases(code: StepCode, block: UpdateBlock) -> None:
    """Deltas become gradients, in their place; biases change."""
    again, unchanged = code.new_label(), code.new_label()
    code(f"ldr r2, {_rate(Rate.MULTIPLIER)}")
    code.move("r7", 4 * Rate.BIAS_LEFT, "r0")
    code("ldmia r7!, {r3-r5}")  # and what follows it, BIAS_RIGHT and BIAS_HALF
    for high, low, limit in (("r10", "r11", GRADIENT_LIMIT), ("r12", "lr", BIAS_LIMIT)):
        code.constant("r0", limit)
        code(f"mov {high}, r0", "rsbs r0, r0, #0", f"mov {low}, r0")
    code.room("r0", block.deltas.end)
    code(f"str r0, {END}")
    code.room("r0", block.deltas.place)
    code.file("r1", block.biases)
    code.pool()
    code.label(again)
    code("ldr r6, [r0, #0]", "muls r6, r2", f"beq {unchanged}")
    code.clip_between("r6", "r11", "r10")
    code("str r6, [r0, #0]", "lsls r6, r3", "adds r6, r6, r5", "asrs r6, r4", "ldr r7, [r1, #0]")
    code("subs r6, r7, r6")
    code.clip_between("r6", "lr", "r12")
    code("str r6, [r1, #0]")
    code.label(unchanged)
    code("adds r0, #4", "adds r1, #4", f"ldr r7, {END}", "cmp r0, r7", f"bne {again}")
    code.settle()


def _rows(code: StepCode, fan_in: int, skips: bool, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """The weights of all units; r10 walks along the gradients."""
    again, idle, following = (code.new_label() for _ in range(3))
    code(f"b {again}")
    code.pool()
    # A gradient of 0 changes nothing.
    code.label(idle)
    code.move("r1", 2 * fan_in, "r6")
    code.move("r2", 2 * fan_in, "r6")
    code(f"b {following}")
    code.label(again)
    code("mov r6, r10", "ldmia r6!, {r3}", "mov r10, r6", "cmp r3, #0", f"beq {idle}")
    turns, left = divmod(fan_in, _UNROLL) if fan_in > 2 * _UNROLL else (0, fan_in)
    if turns:
        turn = code.new_label()
        code("mov r0, r11")
        code.label(turn)
        _weights(code, 0, _UNROLL, skips, before, after)
        code(f"adds r0, #{4 * _UNROLL}", f"adds r1, #{2 * _UNROLL}", f"adds r2, #{2 * _UNROLL}")
        code("cmp r0, lr", f"bne {turn}")
        code.settle()
    for first in range(0, left, _UNROLL):
        _weights(code, first, min(left, first + _UNROLL), skips, before, after)
        if first + _UNROLL < left:
            code.settle()
    if left:
        code(f"adds r1, #{2 * left}", f"adds r2, #{2 * left}")
    code.label(following)
    code("cmp r10, r12", f"bne {again}")
    code.settle()


def _weights(
    code: StepCode, first: int, end: int, skips: bool, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Weights and remainders of inputs: ``before`` and ``after`` are what becomes of the product round the sum.

    An input of 0 changes nothing; ``skips`` says whether to look for that.
    """
    for n in range(first, end):
        unchanged, kept = code.new_label(), code.new_label()
        low = code.aside(kept, "movs r7, #1")
        high = code.aside(kept, "movs r7, #0", "mvns r7, r7")
        code(f"ldr r6, [r0, #{4 * n}]", "muls r6, r3", *[f"beq {unchanged}"] * skips, *before)
        code(f"ldrh r7, [r2, #{2 * n}]", "adds r6, r6, r7", *(text.format(f"[r2, #{2 * n}]") for text in after))
        code(f"ldrh r7, [r1, #{2 * n}]", "subs r7, r7, r6", f"ble {low}", "lsrs r6, r7, #16", f"bne {high}")
        code.label(kept)
        code(f"strh r7, [r1, #{2 * n}]")
        code.label(unchanged)

"""Thumb: words that a native module learns at import, and the function that fills them in."""

from __future__ import annotations

from nnhw_codegen.thumb.assembler import Assembler

BOUND = ("slow", "call", "none", "array", "tuple", "list", "float", "bytearray", "bytes", "work")
"""Words that ``_bind`` fills in: objects, the run-time's function that calls one, types, and a work buffer."""

PLACES = {name: 4 * index for index, name in enumerate(BOUND)}
"""Where each lies, in bytes."""

_CALL_FUNCTION = 4 * 27
"""Place of ``call_function_n_kw`` in the run-time's table, which is part of the .mpy format."""


def stub() -> bytes:
    """n_kw joins n_args in r1, and the word behind the code is where to go on."""
    code = Assembler()
    code("lsls r2, r2, #8", "adds r1, r1, r2", "ldr r2, =0", "bx r2")
    return code.assemble()[0]


def bind(bound: int, targets: list[int]) -> bytes:
    """``_bind(table, slow, main, work, array, tuple, list, bytearray, bytes, *stubs)``: fills in the words and the stubs.

    The array is ('i', [7, 9]), tuple and list are 1.5, 2.5. Returns 2 where all is laid out as expected, 1 where objects of
    Python are not and are left to ``_slow``, 0 where arrays are not, so that the module cannot run.
    """
    place = PLACES
    code = Assembler("bind")
    code("push {r4-r7, lr}", "movs r7, r3", "ldr r0, [r7, #8]", "ldr r4, [r0, #12]")
    code.constant("r5", bound)
    code("adds r5, r5, r4")
    code("ldr r0, [r7, #0]", "ldr r1, [r0, #0]", f"str r1, [r5, #{place['none']}]", f"adds r0, #{_CALL_FUNCTION}")
    code("ldr r1, [r0, #0]", f"str r1, [r5, #{place['call']}]")
    code("ldr r0, [r7, #4]", f"str r0, [r5, #{place['slow']}]")
    code("ldr r0, [r7, #16]", "ldrb r1, [r0, #4]", f"cmp r1, #{ord('i')}", "bne bind.bad", "ldr r1, [r0, #8]")
    code("cmp r1, #2", "bne bind.bad", "ldr r1, [r0, #12]", "ldr r1, [r1, #0]", "cmp r1, #7", "bne bind.bad")
    code("ldr r1, [r0, #0]", f"str r1, [r5, #{place['array']}]")
    code("ldr r0, [r7, #12]", "ldr r1, [r0, #12]", f"str r1, [r5, #{place['work']}]")
    for number, name in ((7, "bytearray"), (8, "bytes")):
        code(f"ldr r0, [r7, #{4 * number}]", "ldr r1, [r0, #0]", f"str r1, [r5, #{place[name]}]")
    for number, target in enumerate(targets):
        code(f"ldr r0, [r7, #{4 * (9 + number)}]", "ldr r0, [r0, #12]", f"ldr r1, ={target + 1}", "adds r1, r1, r4")
        code("str r1, [r0, #8]")
    # tuple: type, length, items; list: type, room, length, address of items
    code("ldr r0, [r7, #20]", "ldr r1, [r0, #4]", "cmp r1, #2", "bne bind.foreign", "adds r0, #8", "bl bind.items")
    code("bne bind.foreign", "movs r6, r2")
    code(
        "ldr r0, [r7, #24]",
        "ldr r1, [r0, #8]",
        "cmp r1, #2",
        "bne bind.foreign",
        "ldr r0, [r0, #12]",
        "bl bind.items",
    )
    code("bne bind.foreign", "cmp r2, r6", "bne bind.foreign", f"str r6, [r5, #{place['float']}]")
    for number, name in ((5, "tuple"), (6, "list")):
        code(f"ldr r0, [r7, #{4 * number}]", "ldr r1, [r0, #0]", f"str r1, [r5, #{place[name]}]")
    code("movs r0, #5", "pop {r4-r7, pc}")
    code.label("bind.foreign")
    code("movs r0, #3", "pop {r4-r7, pc}")
    code.label("bind.bad")
    code("movs r0, #1", "pop {r4-r7, pc}")
    code.label("bind.items")  # r0: two items -> Z where they are 1.5 and 2.5 of one type, r2
    code(
        "movs r2, #0",
        "ldr r1, [r0, #0]",
        "lsls r3, r1, #30",
        "bne bind.leave",
        "ldr r2, [r1, #0]",
        "ldr r1, [r1, #4]",
    )
    code("lsrs r1, r1, #21", "movs r3, #255", "lsls r3, r3, #1", "cmp r1, r3", "bne bind.leave")
    code("ldr r1, [r0, #4]", "lsls r3, r1, #30", "bne bind.leave", "ldr r3, [r1, #0]", "cmp r3, r2", "bne bind.leave")
    code("ldr r1, [r1, #4]", "lsrs r1, r1, #21", "movs r3, #1", "lsls r3, r3, #9", "adds r3, #1", "cmp r1, r3")
    code.label("bind.leave")
    code("bx lr")
    return code.assemble()[0]

"""Thumb: what the entries of a native module share: reading a row of objects, and handing on what they do not expect."""

from __future__ import annotations

from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.native.bound import PLACES


def slow(code: Assembler) -> None:
    """``_slow(self, *args)``; of a number of arguments that no entry has, or with names, none is handed on."""
    code.label("slow")
    # Where the entry pushed them: self, number, arguments.
    code("ldr r4, [sp, #0]", "ldr r5, [sp, #4]", "ldr r6, [sp, #8]", "cmp r5, #2", "ble slow.known", "movs r5, #0")
    code.label("slow.known")
    code("sub sp, #16", "str r4, [sp, #0]", "cmp r5, #0", "beq slow.call", "ldr r0, [r6, #0]", "str r0, [sp, #4]")
    code("cmp r5, #1", "beq slow.call", "ldr r0, [r6, #4]", "str r0, [sp, #8]")
    code.label("slow.call")
    code.address("r3", "bound")
    code(f"ldr r0, [r3, #{PLACES['slow']}]", f"ldr r3, [r3, #{PLACES['call']}]")
    code("adds r1, r5, #1", "mov r2, sp", "blx r3", "add sp, #28", "pop {r4-r7, pc}")


def fetch(code: Assembler, inputs: int) -> None:
    """The object at r0 -> r0: where its values lie as float32, at r1 if they have to be collected; 0 where it is
    none of tuple, list and array('f') of the right length with floats and small integers up to 2^24."""
    place = PLACES
    code.label("fetch")
    code("push {r1, r4-r7, lr}", "lsls r3, r0, #30", "bne fetch.bad", "ldr r3, [r0, #0]")
    code.address("r2", "bound")
    code(f"ldr r4, [r2, #{place['tuple']}]", "cmp r3, r4", "beq fetch.tuple")
    code(f"ldr r4, [r2, #{place['array']}]", "cmp r3, r4", "beq fetch.array")
    code(f"ldr r4, [r2, #{place['list']}]", "cmp r3, r4", "bne fetch.bad")
    code("ldr r3, [r0, #8]", "ldr r0, [r0, #12]", "b fetch.items")
    code.label("fetch.array")
    code("ldrb r3, [r0, #4]", f"cmp r3, #{ord('f')}", "bne fetch.bad", "ldr r3, [r0, #8]")
    code.constant("r4", inputs)
    code("cmp r3, r4", "bne fetch.bad", "ldr r0, [r0, #12]", "add sp, #4", "pop {r4-r7, pc}")
    code.label("fetch.tuple")
    code("ldr r3, [r0, #4]", "adds r0, #8")
    code.label("fetch.items")
    code.constant("r4", inputs)
    code("cmp r3, r4", "bne fetch.bad", f"ldr r4, [r2, #{place['float']}]", "lsls r5, r3, #2", "adds r5, r5, r1")
    code.pool()
    code.label("fetch.again")
    code(
        "ldmia r0!, {r2}",
        "lsls r3, r2, #30",
        "bne fetch.integer",
        "ldr r3, [r2, #0]",
        "cmp r3, r4",
        "bne fetch.bad",
    )
    code("ldr r2, [r2, #4]")
    code.label("fetch.store")
    code("stmia r1!, {r2}", "cmp r1, r5", "bne fetch.again", "pop {r0, r4-r7, pc}")
    code.label("fetch.bad")
    code("add sp, #4", "movs r0, #0", "pop {r4-r7, pc}")
    code.label("fetch.integer")
    code("lsls r3, r2, #31", "beq fetch.bad", "asrs r2, r2, #1", "beq fetch.store")
    code("asrs r6, r2, #31", "eors r2, r6", "subs r2, r2, r6", "lsrs r3, r2, #24", "bne fetch.bad", "movs r3, #150")
    code.label("fetch.shift")
    code("lsrs r7, r2, #23", "bne fetch.shifted", "lsls r2, r2, #1", "subs r3, #1", "b fetch.shift")
    code.label("fetch.shifted")
    code("lsls r3, r3, #23", "lsls r2, r2, #9", "lsrs r2, r2, #9", "adds r2, r2, r3", "lsls r6, r6, #31")
    code("adds r2, r2, r6", "b fetch.store")

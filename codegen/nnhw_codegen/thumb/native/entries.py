"""Thumb: the entries of a native .mpy module, which get objects as MicroPython holds them and check them themselves.

An argument that is exactly what an entry expects is read by machine code; for any other the entry calls the module's
bytecode function ``_slow`` with itself and its arguments, which turns them into what is expected or raises. An object's
type is compared before anything else in it is read, so nothing that merely looks like a buffer is taken for one.

``predict_ticks`` (``logits_from_ticks`` for values) holds all machine code. The other entries are stubs of 12 bytes that
lead into it: its address, the types of objects and ``_slow`` are words that ``_bind`` fills in at import, once known objects
have shown that this MicroPython lays them out as expected (object representation A, floats of 32 bits).
Everything between call and answer lies in registers and on the stack.
"""

from __future__ import annotations

from dataclasses import dataclass

from nnhw_codegen.integers.program import Program
from nnhw_codegen.thumb import emitter
from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.native import arguments
from nnhw_codegen.thumb.native.bound import BOUND, PLACES, bind, stub

_STACK_LIMIT = 1000
"""Bytes of buffers on the stack; a model that needs more has one buffer, and its entries one caller at a time."""

_KINDS = {"i": 0, "h": 1, "H": 2, "B": 3}
"""What ``predict_many_ticks`` takes: the type of array items, and how its loop knows it."""


@dataclass(frozen=True)
class Native:
    """``functions``: machine code by name; ``stubs`` are those that ``_bind`` takes behind its first arguments, in order."""

    functions: dict[str, bytes]
    main: str
    stubs: tuple[str, ...]
    work_words: int


def entries(program: Program) -> tuple[str, tuple[str, ...]]:
    """The function that holds the machine code, and those that lead into it."""
    rest = ("logits_from_codes", "ticks_from_values")
    if program.decision == "values":
        return "logits_from_ticks", rest
    many = ("predict_many", "predict_many_ticks") if _answers_fit_bytes(program) else ()
    return "predict_ticks", ("predict", *many, "logits_from_ticks", *rest)


def _answers_fit_bytes(program: Program) -> bool:
    return program.layers[-1].units <= (8 if program.decision == "multilabel" else 256)


def functions(program: Program) -> Native:
    """The machine code of every native function of the module."""
    main, stubs = entries(program)
    writer = _Entries(program)
    for name in (main, *stubs):
        writer.write(name, checked=name == main)
    code, places = writer.assemble()
    targets = [places[f"{name}.checked"] for name in stubs]
    made = {main: code, **{name: stub() for name in stubs}}
    made["_bind"] = bind(places["bound"], targets)
    return Native(made, main, stubs, 0 if writer.on_stack else writer.words)


class _Entries:
    """Collects the entries behind each other.

    Each keeps self, the arguments' number and place on the stack for ``slow``: r0, r1 and r3 of its call. Its buffers lie
    below: the work buffer with r7 on it while the entry runs, then the outputs.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._inputs = len(program.inputs)
        self._units = program.layers[-1].units
        self._code = Assembler("native")
        self._blob = emitter.parts(program)
        self._y = 4 * self._blob.work_words
        self.words = (self._blob.work_words + self._units + 1) & ~1
        self.on_stack = 4 * self.words <= _STACK_LIMIT

    def assemble(self) -> tuple[bytes, dict[str, int]]:
        """All entries, what they share, and the kernel."""
        code = self._code
        arguments.slow(code)
        arguments.fetch(code, self._inputs)
        code.extend(self._blob.code)
        code.data("bound", bytes(4 * len(BOUND)))
        code.extend(self._blob.data)
        return code.assemble()

    def write(self, name: str, checked: bool) -> None:
        """One entry; ``checked``: the one at the start of all, to which no stub leads."""
        code = self._code
        if checked:
            code("lsls r2, r2, #8", "adds r1, r1, r2")
        code.label(f"{name}.checked")
        if name == "predict_ticks":
            self._predict_ticks(name)
            return
        code("push {r0, r1, r3-r7, lr}")
        one = name == "predict"
        code(f"cmp r1, #{1 if one else 2}", f"bne {name}.wrong", "ldr r0, [r3, #0]")
        if one:
            self._open()
            self._predict(name)
        elif name.startswith("predict_many"):
            self._many(name)
        elif name == "ticks_from_values":
            self._ticks(name)
        else:
            self._logits(name)
        code.label(f"{name}.leave")
        code("add sp, #12", "pop {r4-r7, pc}")
        code.label(f"{name}.far")
        self._close()
        code.label(f"{name}.wrong")
        code("b slow")
        code.pool()

    def _open(self) -> None:
        """r7: the work buffer."""
        if self.on_stack:
            self._room("sub")
            self._code("mov r7, sp")
        else:
            self._bound("r7", "work", "r7")

    def _close(self) -> None:
        if self.on_stack:
            self._room("add")

    def _room(self, operation: str) -> None:
        size = 4 * self.words
        self._code(*(f"{operation} sp, #{min(508, size - start)}" for start in range(0, size, 508)))

    def _bound(self, register: str, name: str, base: str) -> None:
        self._code.address(base, "bound")
        self._code(f"ldr {register}, [{base}, #{PLACES[name]}]")

    def _outputs(self) -> None:
        """r1: the outputs behind the work buffer at r7."""
        self._code.constant("r1", self._y)
        self._code("adds r1, r1, r7")

    def _predict(self, name: str) -> None:
        code = self._code
        code("movs r1, r7", "bl fetch", "cmp r0, #0", f"beq {name}.far", "movs r1, r7", "bl values", "cmp r0, #0")
        code(f"bne {name}.far", "movs r0, r7")
        self._outputs()
        code("movs r2, r7", "bl ticks")
        self._close()
        code("lsls r0, r0, #1", "adds r0, #1")

    def _predict_ticks(self, name: str) -> None:
        """The shortest call: it saves no register that it can do without."""
        code = self._code
        code("push {r0, r1, r3, lr}", "cmp r1, #1", f"bne {name}.wrong", "ldr r0, [r3, #0]")
        self._check("r0", ord("i"), self._inputs, name)
        code("ldr r0, [r0, #12]")
        if self.on_stack:
            self._room("sub")
            code("mov r2, sp")
        else:
            self._bound("r2", "work", "r2")
        code.constant("r1", self._y)
        code("adds r1, r1, r2", "bl ticks")
        self._close()
        code("lsls r0, r0, #1", "adds r0, #1", "add sp, #12", "pop {pc}")
        code.label(f"{name}.wrong")
        code("pop {r0, r1, r3}", "pop {r2}", "mov lr, r2", "push {r0, r1, r3-r7, lr}", "b slow")
        code.pool()

    def _ticks(self, name: str) -> None:
        code = self._code
        code("ldr r4, [r3, #4]")
        self._check("r4", ord("i"), self._inputs, name)
        self._open()
        code(
            "movs r1, r7", "bl fetch", "cmp r0, #0", f"beq {name}.far", "ldr r1, [r4, #12]", "bl values", "cmp r0, #0"
        )
        code(f"bne {name}.far")
        self._close()
        self._none()

    def _logits(self, name: str) -> None:
        code = self._code
        code("ldr r4, [r3, #4]")
        self._check("r4", ord("i"), self._units, name)
        code("movs r6, r0")
        self._check("r6", ord("i"), self._inputs, name)
        self._open()
        code("ldr r0, [r6, #12]", "ldr r1, [r4, #12]", "movs r2, r7", f"bl {name.rsplit('_', 1)[1]}")
        self._close()
        self._none()

    def _none(self) -> None:
        self._bound("r0", "none", "r0")

    def _check(self, register: str, typecode: int, length: int, name: str) -> None:
        self._expect("array", register, typecode, length, f"{name}.wrong")

    def _expect(self, kind: str, register: str, typecode: int, length: int, wrong: str) -> None:
        """Leave for ``wrong`` unless the object is an array of this type and length; spoils r1 and r2."""
        code = self._code
        code(f"lsls r1, {register}, #30", f"bne {wrong}", f"ldr r1, [{register}, #0]")
        self._bound("r2", kind, "r2")
        code("cmp r1, r2", f"bne {wrong}", f"ldrb r1, [{register}, #4]", f"cmp r1, #{typecode}", f"bne {wrong}")
        code(f"ldr r1, [{register}, #8]")
        code.constant("r2", length)
        code("cmp r1, r2", f"bne {wrong}")

    def _many(self, name: str) -> None:
        """Rows behind each other, a byte for each answer: r4 row, r5 place of its answer, r6 end of them, r7 work buffer."""
        code = self._code
        ticks = name == "predict_many_ticks"
        code("ldr r4, [r3, #4]", "lsls r1, r4, #30", f"bne {name}.wrong", "ldr r1, [r4, #0]")
        code.address("r2", "bound")
        place = {word: 4 * index for index, word in enumerate(BOUND)}
        code(
            f"ldr r5, [r2, #{place['bytearray']}]",
            "cmp r1, r5",
            f"beq {name}.out",
            f"ldr r5, [r2, #{place['array']}]",
        )
        code("cmp r1, r5", f"bne {name}.wrong", "ldrb r1, [r4, #4]", f"cmp r1, #{ord('B')}", f"bne {name}.wrong")
        code.label(f"{name}.out")
        code("ldr r5, [r4, #12]", "ldr r6, [r4, #8]", "lsls r1, r0, #30", f"bne {name}.wrong", "ldr r1, [r0, #0]")
        if ticks:
            code("movs r7, #3")
            for word in ("bytearray", "bytes"):
                code(f"ldr r4, [r2, #{place[word]}]", "cmp r1, r4", f"beq {name}.length")
        code(f"ldr r4, [r2, #{place['array']}]", "cmp r1, r4", f"bne {name}.wrong", "ldrb r1, [r0, #4]")
        if ticks:
            for typecode, kind in _KINDS.items():
                code(f"movs r7, #{kind}", f"cmp r1, #{ord(typecode)}", f"beq {name}.length")
            code(f"b {name}.wrong")
        else:
            code(f"cmp r1, #{ord('f')}", f"bne {name}.wrong")
        code.label(f"{name}.length")
        code.constant("r2", self._inputs)
        code(
            "muls r2, r6",
            "ldr r1, [r0, #8]",
            "cmp r1, r2",
            f"bne {name}.wrong",
            "ldr r4, [r0, #12]",
            "adds r6, r6, r5",
        )
        if ticks:
            code("str r7, [sp, #4]")  # of two arguments there need be no record any more
        self._open()
        self._rows(name, ticks)

    def _rows(self, name: str, ticks: bool) -> None:
        code = self._code
        code("cmp r5, r6", f"beq {name}.end")
        if ticks:
            code(f"ldr r0, [sp, #{self._kind}]", "cmp r0, #0", f"bne {name}.small")
            code.label(f"{name}.words")
            code("movs r0, r4")
            self._next_row()
            self._answer(f"{name}.words")
            code(f"b {name}.end")
            self._small(name)
        else:
            code.label(f"{name}.again")
            code("movs r0, r4", "movs r1, r7", "bl values", "cmp r0, #0", f"bne {name}.far")
            self._next_row()
            code("movs r0, r7")
            self._answer(f"{name}.again")
        code.label(f"{name}.end")
        self._close()
        self._none()

    @property
    def _kind(self) -> int:
        return 4 + (4 * self.words if self.on_stack else 0)

    def _next_row(self) -> None:
        size = 4 * self._inputs
        if size <= 255:
            self._code(f"adds r4, #{size}")
        else:
            self._code.constant("r1", size)
            self._code("adds r4, r4, r1")

    def _answer(self, again: str) -> None:
        """The answer to ticks at r0, then the next row."""
        self._outputs()
        self._code("movs r2, r7", "bl ticks", "strb r0, [r5, #0]", "adds r5, #1", "cmp r5, r6", f"bne {again}")

    def _small(self, name: str) -> None:
        """Rows of halves or bytes become words at r7; of halves, two at a time where their number is even."""
        code = self._code
        pairs = self._inputs % 2 == 0
        code.label(f"{name}.small")
        code.constant("r1", 4 * self._inputs)
        code("adds r1, r1, r7", "movs r3, r7", f"ldr r0, [sp, #{self._kind}]", "cmp r0, #2", f"beq {name}.unsigned")
        code(f"bgt {name}.bytes")
        half = (
            ("ldrh r0, [r4, #0]", "ldrh r2, [r4, #2]", "adds r4, #4")
            if pairs
            else ("ldrh r0, [r4, #0]", "adds r4, #2")
        )
        signs = ("sxth r0, r0", "sxth r2, r2") if pairs else ("sxth r0, r0",)
        store = "stmia r3!, {r0, r2}" if pairs else "stmia r3!, {r0}"
        for label, texts in (
            ("signed", (*half, *signs, store)),
            ("unsigned", (*half, store)),
            ("bytes", ("ldrb r0, [r4, #0]", "adds r4, #1", "stmia r3!, {r0}")),
        ):
            code.label(f"{name}.{label}")
            code(*texts, "cmp r3, r1", f"bne {name}.{label}")
            if label != "bytes":
                code(f"b {name}.ready")
        code.label(f"{name}.ready")
        code("movs r0, r7")
        self._answer(f"{name}.small")

"""The assembler against two others: capstone reads back every instruction, the GNU assembler writes the same bytes."""

from __future__ import annotations

import itertools
import random
import re
import shutil
import subprocess

import pytest

from nnhw.targets.core.core import Core
from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.instructions import REGISTERS, SHAPES, AssemblyError, encode

SIMPLE_CONSTANTS = (0, 1, 3, 4, 7, 8, 28, 31, 32, 62, 124, 128, 255, 508, 1020)


def instances(shape: str) -> list[str]:
    """Instructions of one shape that the encoder takes: all constants of interest, random registers."""
    chance = random.Random(shape)
    names = [name for name in REGISTERS if name != "pc"]

    def fill(match: re.Match[str]) -> str:
        token = match[0]
        if token == "#":
            return f"#{chance.choice(SIMPLE_CONSTANTS)}"
        if token == "{}":
            special = {"push": ["lr"], "pop": ["pc"]}.get(shape.split()[0], [])
            low = [f"r{n}" for n in range(8)]
            return "{" + ", ".join(n for n in low + special if chance.random() < 0.5) + "}"
        return chance.choice(names[:8] if chance.random() < 0.8 else names)

    found = []
    for _ in range(400):
        mnemonic, _, operands = shape.partition(" ")
        text = f"{mnemonic} {re.sub(r'{}|#|(?<![a-z])r(?![a-z])', fill, operands)}".strip()
        base, _, listed = text.partition("!, ")
        if listed and base.split()[1] in listed:
            continue  # a base register in its own list is another instruction
        try:
            encode(text)
        except AssemblyError:
            continue
        found.append(text)
    return sorted(set(found))[:60]


def normal(text: str) -> tuple[str, ...]:
    """Mnemonic and operands in one spelling, whoever wrote them."""
    mnemonic, _, rest = text.replace("[", "").replace("]", "").replace("!", "").partition(" ")
    tokens = re.findall(r"#?-?\w+", rest)
    operands = [str(int(t[1:], 0)) if t[0] == "#" else t for t in tokens]
    operands = [{"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12"}.get(t, t) for t in operands]
    if mnemonic == "muls" and len(operands) == 3:
        operands = operands[:2]
    if mnemonic in ("ldr", "str", "ldrb", "strb", "ldrh", "strh") and operands[-1] == "0":
        operands = operands[:-1]
    return ({"ldm": "ldmia", "stm": "stmia"}.get(mnemonic, mnemonic), *operands)


@pytest.mark.parametrize("shape", SHAPES)
def test_capstone_reads_back_what_was_written(shape):
    capstone = pytest.importorskip("capstone", reason="capstone is not installed")
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    texts = instances(shape)
    assert texts
    for text in texts:
        (found,) = decoder.disasm(encode(text).to_bytes(2, "little"), 0)
        assert normal(f"{found.mnemonic} {found.op_str}".strip()) == normal(text)


def gnu_assembled(source: str, directory) -> bytes:
    for tool in ("arm-none-eabi-as", "arm-none-eabi-objcopy"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} was not found; install it with: apt install binutils-arm-none-eabi")
    listing = ".syntax unified\n.cpu cortex-m0plus\n.thumb\n" + source + "\n"
    (directory / "code.s").write_text(listing)
    subprocess.run(["arm-none-eabi-as", "-o", "code.o", "code.s"], cwd=directory, check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "code.o", "code.bin"], cwd=directory, check=True)
    return (directory / "code.bin").read_bytes()


def test_the_gnu_assembler_writes_the_same_instructions(tmp_path):
    texts = list(itertools.chain.from_iterable(instances(shape) for shape in SHAPES))
    # Of two encodings of one meaning it takes the other.
    texts = [text for text in texts if not re.fullmatch(r"(adds|subs) (r\d), \2, #\d", text)]
    found = gnu_assembled("\n".join(texts), tmp_path)
    assert len(found) == 2 * len(texts)
    for n, text in enumerate(texts):
        assert int.from_bytes(found[2 * n : 2 * n + 2], "little") == encode(text), text


def test_the_gnu_assembler_places_the_same_branches(tmp_path):
    lines = ["start:", *["movs r0, #1"] * 90, "beq start", "bne end", "blt start", "bgt start", "b start", "b end"]
    lines += [*["movs r1, #2"] * 100, "bcc end", "bge end", "ble end", *["movs r1, #3"] * 20, "end:", "bx lr"]
    code = Assembler()
    for line in lines:
        if line.endswith(":"):
            code.label(line[:-1])
        else:
            code(line)
    assert code.assemble()[0] == gnu_assembled("\n".join(lines), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "adds r0, r1, #8",
        "adds r8, r0, r1",
        "movs r0, #256",
        "movs r0, #-1",
        "ldr r0, [r1, #126]",
        "ldr r0, [r1, #128]",
        "ldr r0, [sp, #1024]",
        "lsls r0, r1, #0",
        "asrs r0, r1, #32",
        "push {}",
        "push {r4, pc}",
        "ldmia r0!, {r8}",
        "rsbs r0, r1, #1",
        "muls r0, r8",
        "mov r13, r0",
        "umull r0, r1, r2, r3",
    ],
)
def test_impossible_instructions_are_refused_by_name(text):
    with pytest.raises(AssemblyError, match=re.escape(repr(text))):
        encode(text)


@pytest.fixture
def core():
    pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")
    return Core()


CONSTANTS = (0, 1, 255, 256, 257, 510, 511, 32767, 32768, 1 << 30, -1, -255, -256, -32767, -(2**31), 2**31 - 1)


@pytest.mark.parametrize("value", CONSTANTS)
def test_a_constant_takes_at_most_two_cycles(core, value):
    code = Assembler()
    code.constant("r0", value)
    code("bx lr")
    result = core.call(core.load(code.assemble()[0]))
    assert result.value == value
    assert result.cycles - 2 <= (1 if 0 <= value <= 255 else 2)


def test_literals_stay_in_reach_through_a_long_routine(core):
    code = Assembler()
    code("movs r0, #0")
    for n in range(3000):
        code(f"ldr r1, ={1000 + n % 700}", "adds r0, r0, r1")
    code("bx lr")
    assert core.call(core.load(code.assemble()[0])).value == sum(1000 + n % 700 for n in range(3000))


@pytest.mark.parametrize("padding", [0, 1, 400, 401])
def test_an_address_is_right_wherever_the_code_lies(core, padding):
    code = Assembler()
    code(*["mov r8, r8"] * padding)
    code.address("r1", "table")
    code("ldr r0, [r1, #4]", "bx lr")
    code.data("table", (77).to_bytes(4, "little") + (88).to_bytes(4, "little"))
    content, _ = code.assemble()
    core.load(b"\0\0\0\0")
    assert [core.call(core.load(content)).value for _ in range(2)] == [88, 88]


@pytest.mark.parametrize("length", [10, 126, 127, 128, 400])
def test_a_loop_may_be_of_any_length(core, length):
    code = Assembler()
    code("movs r0, #0", "movs r1, #5")
    code.label("again")
    code(*["adds r0, #1"] * length, "subs r1, #1", "bne again", "bx lr")
    assert core.call(core.load(code.assemble()[0])).value == 5 * length


def test_a_missing_label_a_double_one_and_a_far_one_are_named():
    code = Assembler()
    code("b nowhere")
    with pytest.raises(AssemblyError, match="nowhere"):
        code.assemble()
    code = Assembler()
    code.label("twice")
    code.label("twice")
    with pytest.raises(AssemblyError, match="twice"):
        code.assemble()
    code = Assembler()
    code("beq ahead", *["mov r8, r8"] * 200)
    code.label("ahead")
    with pytest.raises(AssemblyError, match=r"beq ahead.*bytes away"):
        code.assemble()

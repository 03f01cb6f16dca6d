"""The command line: which commands there are, and how errors end.

Exit codes: 0 fine, 1 a check failed, 2 bad usage or input, 130 interrupted (Ctrl-C), 143 and 129 ended by SIGTERM, SIGHUP.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import gettempdir
from typing import Any

import click

from nnhw import __version__
from nnhw.cli.signals import INTERRUPTED, unwinding
from nnhw.errors import InputError, NnhwError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("nnhw.cli.demo:demo", "Train, export and run Iris in an emulator, and compare every integer."),
    "data": ("nnhw.cli.data:data", "Show what is understood of a file, before anything is trained."),
    "train": ("nnhw.cli.train:train", "Train a network on a data set or a file."),
    "new": ("nnhw.cli.new:new", "Make an untrained network, for a board to train."),
    "convert": (
        "nnhw.cli.convert:convert",
        "Take a network of scikit-learn, Keras, PyTorch, TFLite or ONNX; write ONNX.",
    ),
    "eval": ("nnhw.cli.evaluate:evaluate", "Accuracy and confusion matrix, floats beside each precision."),
    "export": ("nnhw.cli.export:export", "Write the folder to copy to a board."),
    "run": ("nnhw.cli.run:run", "Run an exported model on a target."),
    "verify": ("nnhw.cli.verify:verify", "Compare an exported model on targets with the reference."),
    "report": ("nnhw.cli.report:report", "One page about an exported model, with plots."),
    "bench": ("nnhw.cli.bench:bench", "Cycles and bytes of an exported model as machine code."),
    "fit": ("nnhw.cli.fit:fit", "Whether a model fits a board: flash, heap, time."),
    "flash": ("nnhw.cli.flash:flash", "Copy an exported model to a board and test it there."),
    "pull": ("nnhw.cli.pull:pull", "Bring a model that a board trained back into model.json."),
    "study": ("nnhw.cli.study:study", "Experiments with statistics: does the derivative of ReLU at 0 matter?"),
    "compare": ("nnhw.cli.compare:compare", "Compare activations on a data set, in floats and in integers."),
    "targets": ("nnhw.cli.info:targets", "The places where exported code can run."),
    "doctor": ("nnhw.cli.info:doctor", "What is installed, and what is missing for what."),
    "schema": ("nnhw.cli.info:schema", "The JSON schema of model.json."),
}
"""Name -> (module:function, summary). A module is imported only when its command is asked for: help stays fast."""


class UserError(click.ClickException):
    """Bad input, told in one line on stderr."""

    exit_code = NnhwError.exit_code

    def show(self, file: Any = None) -> None:
        """Print the message to stderr."""
        from nnhw_codegen.network.names import visible  # help imports none of the packages

        click.echo("nnhw: " + "\n".join(map(visible, self.message.split("\n"))), err=True)


class CheckError(UserError):
    """What was to be checked failed, told in one line on stderr."""

    exit_code = 1


class Commands(click.Group):
    """The commands of COMMANDS, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in the order of a project's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The summaries, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that nnhw raises become one line and an exit code."""
        try:
            with unwinding():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("nnhw: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            # What is written to a file that is open, as the temporary ones, does not tell its name.
            place = error.filename if error.filename is not None else f"cannot write, maybe to {gettempdir()}"
            raise UserError(f"{place}: {error.strerror or error}") from error
        except NnhwError as error:
            kind = CheckError if error.exit_code == CheckError.exit_code else UserError
            raise kind(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="nnhw")
def main() -> None:
    """Train small neural networks and run them on microcontrollers, with the very same integers.

    \b
      nnhw demo
      nnhw train iris -o iris.json
      nnhw export iris.json
      nnhw verify build/iris --on wasm,unix
      nnhw report build/iris
    """


@contextmanager
def user_input(what: str = "") -> Iterator[None]:
    """Around a call whose InputError says nothing about where the input is from: it ends in one line, after ``what``."""
    try:
        yield
    except InputError as error:
        raise UserError(f"{what}: {error}" if what else str(error)) from error

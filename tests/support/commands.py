"""The command line as tests call it."""

from __future__ import annotations

from click.testing import CliRunner

from nnhw.cli import commands


def nnhw(*arguments: str, code: int = 0) -> str:
    """What ``nnhw ARGUMENTS`` prints; it must end with exit code ``code``."""
    result = CliRunner().invoke(commands.main, arguments)
    assert result.exit_code == code, result.output
    return result.output

"""The command line, as ``nnhw`` and as ``python -m nnhw``; however early Ctrl-C comes."""

import sys


def main() -> None:
    """Run the command that the program's arguments name."""
    try:
        from nnhw.cli import commands

        commands.main(prog_name="nnhw")
    except KeyboardInterrupt:  # while that is imported
        print("nnhw: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

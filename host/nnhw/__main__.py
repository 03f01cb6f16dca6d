"""python -m nnhw: the command line."""

from nnhw.cli.commands import main

main(prog_name="nnhw")

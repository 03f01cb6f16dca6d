"""python -m nnhw: the command line."""

from nnhw.cli import main

main(prog_name="nnhw")

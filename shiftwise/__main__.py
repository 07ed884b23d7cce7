"""``python -m shiftwise``."""

from shiftwise.cli import main

main()

"""`python -m auscult` is the `auscult` command."""

from auscult.command import main

main()

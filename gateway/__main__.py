"""`python -m gateway …` is the `trimtab` command, for where the script is not on the PATH."""

from gateway.cli import main

main()

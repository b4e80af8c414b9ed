"""``python -m nfuse``: the commands, as ``nfuse`` gives them."""

from nfuse.cli.main import main

main()

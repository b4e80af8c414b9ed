"""The commands: ``nfuse demo``, ``run``, ``verify``, ``plan``, ``bench``, ``nf``, ``doctor``, ``completion``.

Commands parse arguments, call the layers below, and print. Whatever a program might want to do too lives below.
"""

"""The life of a running chain: what it reports, to people and to other programs.

This package reads what engines publish; it must not know how they process packets, nor how commands print.
"""

"""Chains: which network functions, in which order, on which branches, with which settings.

A chain is data: it can be written in Python (``A() >> B()``) or YAML, compared, and saved. This package knows network
functions and traffic classes; it must not know how packets are processed (engines) or where they come from (ports).
"""

"""Network functions: the class that users write, and the compiler that reads it.

:mod:`base` is the class; :mod:`parameters`, :mod:`types` and :mod:`containers` are what it declares. :mod:`compile`
analyses a class: :mod:`unit` holds what belongs to it, :mod:`handler` translates one function with the help of
:mod:`statements`, :mod:`expressions`, :mod:`api` and :mod:`api_calls`; :mod:`interpret` makes the same handlers plain
Python. :mod:`abi` is how engines call them, :mod:`instance` the State of a running NF.

This package knows fields, traffic classes and flat memory. It must not know chains, flow tables or engines: what an NF
becomes in a chain is decided above.
"""

"""Engines: what executes a chain, and the driver that feeds them.

All engines implement :class:`nfuse.engine.api.Engine` and give the same result: the reference engine NF by NF in plain
Python, the fused engine in one generated native loop. This package must not know commands or how results are shown.
"""

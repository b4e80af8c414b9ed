"""Measurements behind ``nfuse bench`` and ``nfuse demo``: what is timed, on what, against what.

Figures are medians of rounds on one pinned core; baselines run in the same process on the same packets.
"""

"""Flows: traffic classes, the fragment stage, the flow table, time-outs, blocks of coarser sessions.

What belongs to which flow is decided here, and how long a flow lives. This package knows packets and bursts, but
nothing of header actions, network functions or chains.
"""

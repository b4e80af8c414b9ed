"""Packets: descriptors, the parser, header tables, field access, checksums, header actions on one packet.

Everything here works on one packet in memory. This package knows nothing of where packets come from, of flows, or of
network functions.
"""

"""Flat memory: arenas, records, native loads and stores, the compile cache.

Everything that the data path touches lies in arenas described by records; no Python object is touched per packet. This
package knows nothing of packets, flows or network functions.
"""

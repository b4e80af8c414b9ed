"""Header actions: where consolidated actions are applied, and which NFs could run in parallel.

Pure functions over what the compiler inferred of each NF. This package knows nothing of NF classes, chains or engines.
"""

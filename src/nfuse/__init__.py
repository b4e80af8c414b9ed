"""nfuse: network functions, fused."""

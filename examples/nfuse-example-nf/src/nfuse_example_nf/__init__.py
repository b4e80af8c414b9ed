"""An nfuse network function in a package of its own: Gtsm."""

from nfuse_example_nf.gtsm import Gtsm

__all__ = ["Gtsm"]

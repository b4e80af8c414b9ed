"""What ``nfuse doctor`` looks at: each module has a function ``checks()`` that returns :class:`Check` objects.

A check only looks: it changes nothing that outlives it. What is not required never fails the doctor.
"""

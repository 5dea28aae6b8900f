"""Scalar numba kernels: floats in, floats out, no objects, no exceptions.

What belongs here: a kernel and its callees in one file, because numba's cache does not see edits in another
file. What does not: argument checks and documentation for users (the public twin module has them).
"""

"""Scalar numba kernels: floats in, floats out, no objects, no exceptions. A kernel and its callees share a file: numba does not see edits in a callee's file."""

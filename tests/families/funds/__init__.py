"""Quotients asked of the CAF and the MSA."""

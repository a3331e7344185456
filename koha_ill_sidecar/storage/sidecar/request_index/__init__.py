"""
The index of requests, a module per table.

Only who holds :func:`listing.lock` writes here, so that nobody's bitmap is written over by another's older one;
reading takes no locks.
"""

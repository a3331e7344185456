"""
The index of requests, a module per table.

Only the transaction that holds the writer's lock writes here (``services.request_index.indexing``), so that nobody's
bitmap is overwritten by another's older one. Readers take no locks.
"""

"""
The index of requests.

Every transaction that changes a request adds it to the queue. Only the transaction that holds the writer's lock
writes the other tables (``services.request_index.indexing``), so that no bitmap is overwritten by an older one.
Readers take no locks.
"""

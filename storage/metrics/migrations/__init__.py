"""How the tables came to be what they are: one module of `versions` for each change, run by Alembic.

A new store is made from `storage.metrics.tables` as it is; an older one is brought there step by step. A step states
what it makes in full, since the tables will change again. It says nothing of triggers and views: they are dropped
before the first step, and made from the code after the last one.

Whoever changes the tables adds a step here, its number to `storage.metrics.tables.REVISIONS`, and a store of the
revision before it to `tests/storage/metrics/earlier`: the tests ask for all three.
"""

"""Collections in a PostgreSQL database with pgvector: one schema each, shared by many processes.

Any number of processes read and write them at once. ``database`` connects and translates errors,
``schema`` has the tables, ``facts`` metadata as filters read it; the rest asks and tells. Only this
folder knows psycopg.
"""

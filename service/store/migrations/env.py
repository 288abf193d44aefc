"""Runs the migrations on the database that `service.store.schema.migrate` names, one process at a time."""

from functools import partial

from alembic import context
from sqlalchemy import create_engine, pool, text

from transport.clients import postgres

connect = partial(
    postgres.connect,
    context.config.attributes["url"],
    "migrate",
    autocommit=False,
    lock_timeout=context.config.attributes["lock_timeout"],
)
engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)

with engine.connect() as connection:
    # Two starting at once wait for each other; the lock goes with the connection.
    connection.execute(text("select pg_advisory_lock(hashtext('redletter.migrate'))"))
    connection.execute(text("create schema if not exists redletter"))
    connection.commit()
    context.configure(connection=connection, version_table_schema="redletter")
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()

"""Alembic's environment: the schema follows the models of every feature. Run at start by kit.db."""

from alembic import context

from penstock.platform.kit.db import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,  # SQLite's too: a kill in the middle leaves nothing behind
)
with context.begin_transaction():
    context.run_migrations()

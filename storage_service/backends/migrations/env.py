"""Where does Alembic run? In the transaction that storage_service.backends.schema has opened."""

from alembic import context
from sqlmodel import SQLModel

from storage_service.backends import tables

assert tables.Tenant.metadata is SQLModel.metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()

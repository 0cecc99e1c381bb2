"""Failure modes of asset types; types published before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("asset_types", schema=None) as batch_op:
        batch_op.add_column(sa.Column("failure_modes", sa.JSON(), nullable=False, server_default="{}"))

"""When each alarm was activated last; of those that stand there already their journal tells."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("activated_ns", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE alarms SET activated_ns = COALESCE((SELECT MAX(time_ns) FROM alarm_journal "
        "WHERE alarm_id = alarms.id AND event = 'activate'), raised_ns)"
    )

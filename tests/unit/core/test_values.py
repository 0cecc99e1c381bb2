"""Each value type has its column and kind."""

from penstock.core.values import ValueKind, ValueType


def test_types_have_columns_and_kinds() -> None:
    assert [(t.value, t.column, t.kind, t.is_numeric) for t in ValueType] == [
        ("float64", "vf", ValueKind.FLOAT64, True),
        ("int64", "vi", ValueKind.INT64, True),
        ("bool", "vb", ValueKind.BOOL, False),
        ("string", "vs", ValueKind.STRING, False),
    ]

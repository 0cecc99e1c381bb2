"""What the platform said, scored against the truth. Pure: values in, figures out; each rule stands in its module."""

"""What stands in the way of a derivation, in words that say what to change."""


class CoarseGrainError(ValueError):
    """The compact model cannot be derived from these walls and this pulse; the message says what to change."""

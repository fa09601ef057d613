"""What is folded from a journal can be compared: two folds of the same records are equal."""


class Folded:
    """Equal by content; changed only by the records it is given, so it is no key of a dict."""

    def __eq__(self, other: object) -> bool:
        """Compare everything that is remembered."""
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

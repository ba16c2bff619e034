"""How many retries may there be, so that they never become the load that keeps a server down?

A tenth of the calls, after https://sre.google/sre-book/handling-overload/ (a retry budget of 10 % per client). A few
are in hand from the start, so that a quiet service may retry at all.
"""

SHARE = 0.1
MOST_IN_HAND = 10.0


class Budget:
    """Of one backend: every first attempt earns a tenth of a retry, every retry spends one."""

    __slots__ = ("_in_hand",)

    def __init__(self) -> None:
        self._in_hand = MOST_IN_HAND

    def earn(self) -> None:
        """A first attempt was made."""
        self._in_hand = min(MOST_IN_HAND, self._in_hand + SHARE)

    def spend(self) -> bool:
        """Whether one more retry may be made; then it is paid for."""
        if self._in_hand < 1.0:
            return False
        self._in_hand -= 1.0
        return True

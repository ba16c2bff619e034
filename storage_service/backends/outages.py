"""What is said of a database that is away? That it is, why, and that it is back: once each, however often it is asked
for meanwhile. A night without it would fill a log otherwise.
"""

from kit import logs


class Outage:
    """As one way to the database meets it."""

    def __init__(self, component: str, event: str) -> None:
        self._log = logs.get(component)
        self._event = event
        self._reasons: set[str] = set()

    def met(self, reason: str, **fields: str) -> None:
        """Says so when it begins, and when something else is the matter than before: two reasons may take turns."""
        if reason not in self._reasons:
            self._log.warning(self._event, reason=reason, **fields)
        self._reasons.add(reason)

    def over(self) -> None:
        if self._reasons:
            self._log.info("database.back")
        self._reasons.clear()

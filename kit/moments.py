"""How do times and durations cross between Python and the contract?"""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

# What the contract takes, and every part can hold: databases and languages disagree about year 1 and the last of 9999,
# in any zone.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)
EPOCH = EARLIEST  # what is counted in numbers is counted from here


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def stamp(when: datetime) -> Timestamp:
    """An aware datetime as a Timestamp. A naive one is a mistake of the caller and is refused."""
    timestamp = Timestamp()
    put(timestamp, when)
    return timestamp


def put(timestamp: Timestamp, when: datetime) -> None:
    """Sets a message's own Timestamp, which costs half of making one and having it copied in."""
    since = when - EPOCH
    timestamp.seconds, timestamp.nanos = since.days * 86_400 + since.seconds, since.microseconds * 1000


def moment(timestamp: Timestamp) -> datetime:
    """A Timestamp as an aware datetime in UTC, cut to microseconds."""
    return EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1000)


def span(duration: timedelta) -> Duration:
    """A timedelta as a Duration. Seconds and nanos carry the same sign, as the type demands."""
    sign = -1 if duration.days < 0 else 1
    size = abs(duration)
    whole = size.days * 86_400 + size.seconds
    return Duration(seconds=sign * whole, nanos=sign * size.microseconds * 1000)


def seconds(duration: Duration) -> float:
    """A Duration as seconds."""
    return duration.seconds + duration.nanos / 1_000_000_000

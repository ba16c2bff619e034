"""What follows from a commit? Whoever waits for what it changed is woken, here and in the other replicas."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from kit import metrics
from storage_service.domain.changes import Changes
from storage_service.domain.drafts import Shown
from storage_service.domain.presence import Begun
from storage_service.domain.wakeups import Wakeups

# The agent counts the turns that it ends; these are ended by storage itself.
OURS = ("turn_deadline", "turn_exhausted", "erased", "merged", "owner_queue", "owner_human", "owner_none")


@dataclass(frozen=True, slots=True)
class News:
    """What a commit changed, for those who wait."""

    turns: bool
    deliveries: bool
    conversations: Collection[str]
    # Turns that ended, or whose messages went on to another turn.
    ended: Collection[str] = ()
    # A summary job may wait for a worker.
    summaries: bool = False
    # Turns that another process may show in their chats.
    begun: Sequence[Begun] = ()
    # Something may be fetched.
    fetches: bool = False
    # What a turn has written so far.
    shown: Shown | None = None


class Events:
    """Rings the bells of this process, and hands the news on."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._elsewhere: Callable[[News], None] | None = None
        self._show: Callable[[Sequence[Begun]], None] | None = None
        self._draw: Callable[[Shown], None] | None = None

    def also(self, elsewhere: Callable[[News], None]) -> None:
        """Where other replicas are told."""
        self._elsewhere = elsewhere

    def show(self, show: Callable[[Sequence[Begun]], None], *, draw: Callable[[Shown], None]) -> None:
        """Who shows turns that began in another replica, and what they write."""
        self._show, self._draw = show, draw

    def began(self, begun: Sequence[Begun]) -> None:
        """Turns that nobody here can show."""
        if self._elsewhere is not None:
            self._elsewhere(News(False, False, (), begun=begun))

    def drafted(self, shown: Shown) -> None:
        """A turn has written on: whoever watches it may do so anywhere."""
        if self._elsewhere is not None:
            self._elsewhere(News(False, False, (), shown=shown))

    def committed(self, changes: Changes) -> None:
        lanes = [*changes.lanes.values(), *changes.leased_lanes.values(), *changes.sending_lanes.values()]
        moved = {
            *changes.lanes,
            *changes.leased_lanes,
            *changes.sending_lanes,
            *changes.wanted_summaries,
            *(each.conversation_id for each in changes.media.values()),
            *(message.conversation_id for message in changes.messages),
        }
        moved |= {turn.conversation_id for turn in changes.turns.values()}
        moved |= {delivery.conversation_id for delivery in changes.deliveries.values()}
        turns = any(lane.turn_due_at for lane in lanes)
        deliveries = any(lane.delivery_due_at for lane in lanes)
        ended = {turn.id for turn in changes.turns.values() if turn.ended_at is not None}
        ended |= {from_turn for _, _, from_turn, *_ in changes.moved}
        summaries = changes.summaries_wait or bool(changes.wanted_summaries)
        fetches = changes.fetches_wait or bool(changes.new_media)
        news = News(turns, deliveries, moved, ended, summaries, fetches=fetches)
        self.heard(news)
        if self._elsewhere is not None and moved:
            self._elsewhere(news)
        for turn in changes.turns.values():
            if turn.ended_at is not None and turn.reason in OURS:
                metrics.turns.labels(outcome=turn.state, reason=turn.reason).inc()

    def changed(self, conversation_ids: Collection[str], *, ended: Collection[str]) -> None:
        """A person, or a provider, changed these, and ended these turns; what waited behind them, and what is left to
        send, may go."""
        news = News(bool(ended), True, conversation_ids, ended)
        self.heard(news)
        if self._elsewhere is not None and conversation_ids:
            self._elsewhere(news)

    def missed(self) -> None:
        """Other replicas may have told something that nobody heard."""
        self._wakeups.everything()

    def heard(self, news: News) -> None:
        if news.fetches:
            self._wakeups.fetches.ring()
        if news.summaries:
            self._wakeups.summaries.ring()
        if news.turns or news.summaries:
            self._wakeups.turns.ring()
        if news.deliveries:
            self._wakeups.deliveries.ring()
        self._wakeups.moved(news.conversations)
        self._wakeups.ended(news.ended)
        if news.begun and self._show is not None:
            self._show(news.begun)
        if news.shown is not None and self._draw is not None:
            self._draw(news.shown)

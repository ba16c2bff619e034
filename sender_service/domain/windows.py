"""May a text be said freely now, and what becomes of it when it may not? Decided before the first call of a lease.

WhatsApp takes free text within 24 hours of the person's last message, and after that nothing but approved templates:
https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages#customer-service-windows
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from channels.channel import Channel
from kit import logs, metrics
from kit.moments import moment
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_WINDOW_CLOSED, HandOff
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery, OtherChat
from parley.storage.v1.directory_pb2 import ChannelAccount
from sender_service.domain.outcomes import Outcome

log = logs.get("sender")

WINDOW_CLOSED = "window_closed"
LONGEST_SUMMARY = 4000  # the contract's


class Decision(StrEnum):
    """What becomes of a text. The words are those of the metric."""

    FREE_TEXT = "free_text"
    AS_HUMAN = "as_human"
    TEMPLATE = "template"
    OTHER_ACCOUNT = "other_account"
    HUMAN = "human"
    DROP = "drop"


# Outside the window: what the account says, and whether a template went out since the person last wrote.
OUTSIDE: Mapping[tuple[str, bool], Decision] = {
    ("human", False): Decision.HUMAN,
    ("human", True): Decision.HUMAN,
    ("template", False): Decision.TEMPLATE,
    ("template", True): Decision.HUMAN,  # one a window: who did not answer it gets no second
    ("other_account", False): Decision.OTHER_ACCOUNT,
    ("other_account", True): Decision.OTHER_ACCOUNT,
    ("drop", False): Decision.DROP,
    ("drop", True): Decision.DROP,
}
POLICIES = {policy for policy, _ in OUTSIDE}


@dataclass(frozen=True, slots=True)
class Silence:
    """What storage knows of a person who is to be written to. None: it never happened."""

    wrote_at: datetime | None
    template_at: datetime | None = None  # when a template last went out, or may have
    refused_at: datetime | None = None  # when a free text began that the provider refused for its window

    @property
    def has_template(self) -> bool:
        """Whether a template went out since they last wrote."""
        return self._since(self.template_at)

    def within(self, window: timedelta | None, now: datetime) -> bool:
        """Whether free text may be said. The provider's word beats our clock until they write again."""
        if window is None:
            return True
        if self.wrote_at is None or self._since(self.refused_at):
            return False
        return now - self.wrote_at < window

    def _since(self, at: datetime | None) -> bool:
        return at is not None and (self.wrote_at is None or at >= self.wrote_at)


def decide(
    window: timedelta | None, silence: Silence, *, policy: str, now: datetime, human_window: timedelta | None = None
) -> Decision:
    """The table. `human_window` is that of what a human says, where the account has one."""
    if silence.within(window, now):
        return Decision.FREE_TEXT
    if human_window is not None and silence.within(human_window, now):
        return Decision.AS_HUMAN
    return OUTSIDE[policy, silence.has_template]


def decided(leased: LeasedDelivery, account: ChannelAccount, *, channel: Channel, now: datetime) -> Decision:
    """What becomes of a delivery now, counted, and told when it is not just said."""
    if channel.window is None:
        return Decision.FREE_TEXT
    silence, policy = silence_of(leased), policy_of(account, channel)
    longer = human_window_of(leased, account, channel=channel)
    decision = decide(channel.window, silence, policy=policy, now=now, human_window=longer)
    if decision is Decision.TEMPLATE and leased.attachments:
        decision = Decision.HUMAN  # a template carries no file of ours, and "sent" would be said of it all
    metrics.sender_window_decisions.labels(channel=channel.name, decision=decision.value).inc()
    if decision is not Decision.FREE_TEXT:
        log.info(
            "window.closed",
            delivery_id=leased.delivery_id,
            channel=channel.name,
            decision=decision.value,
            policy=policy,
            silent_seconds=round((now - silence.wrote_at).total_seconds()) if silence.wrote_at else None,
        )
    return decision


def silence_of(leased: LeasedDelivery) -> Silence:
    """As the lease brings it."""
    return Silence(
        moment(leased.last_inbound_at) if leased.HasField("last_inbound_at") else None,
        moment(leased.last_template_at) if leased.HasField("last_template_at") else None,
        moment(leased.window_closed_at) if leased.HasField("window_closed_at") else None,
    )


def human_window_of(leased: LeasedDelivery, account: ChannelAccount, *, channel: Channel) -> timedelta | None:
    """Only for what a human wrote, and where the provider granted it, which the account says."""
    granted = account.options.get("human_agent", "").lower() == "true"
    return channel.capabilities.human_window if granted and leased.said_by_human else None


def policy_of(account: ChannelAccount, channel: Channel) -> str:
    """What the account says. A human where it says nothing that can be done: then at least somebody knows."""
    policy = account.options.get("outside_window", "")
    if policy == "template" and not (account.options.get("template") and channel.capabilities.templates):
        return "human"
    if policy == "other_account" and not account.options.get("other_account"):
        return "human"
    return policy if policy in POLICIES else "human"


def unsaid(decision: Decision, leased: LeasedDelivery, *, account: ChannelAccount, rest: str) -> Outcome:
    """The end of a delivery for which no call is made. `rest` is what of its text was not said yet.

    Whether the person has another chat, and wants it said there, storage knows. Files go to a human.
    """
    if decision is Decision.DROP:
        return Outcome(pb.ATTEMPT_OUTCOME_REJECTED, WINDOW_CLOSED)
    other = None
    if decision is Decision.OTHER_ACCOUNT and rest.strip() and not leased.attachments:
        other = OtherChat(account_id=account.options["other_account"], text=rest)
    asks = hand_off(account.channel, leased.text)
    return Outcome(pb.ATTEMPT_OUTCOME_REJECTED, WINDOW_CLOSED, hand_off=asks, other_chat=other)


def settle(outcome: Outcome, channel: Channel, *, text: str, template: bool, last: bool) -> Outcome:
    """A refusal for the window is no end: it is decided anew, by what is known now. A refused template is a human's.

    So is a text that was tried as often as may be: nothing goes round for ever, whatever storage makes of it.
    """
    if outcome.kind != pb.ATTEMPT_OUTCOME_REJECTED:
        return outcome
    refused = channel.window is not None and outcome.reason == "window"
    if template or (refused and last):
        return replace(outcome, hand_off=hand_off(channel.name, text))
    return replace(outcome, kind=pb.ATTEMPT_OUTCOME_RETRY, window_closed=True) if refused else outcome


def hand_off(channel: str, text: str) -> HandOff:
    """Why a human is asked for, with what could not be said."""
    why = f"Not said, since {channel} takes no free text any more until they write again: "
    return HandOff(reason=HAND_OFF_REASON_WINDOW_CLOSED, summary=(why + text)[:LONGEST_SUMMARY])

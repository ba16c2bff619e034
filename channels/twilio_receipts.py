"""What does Twilio tell of a message that it took? The status callback, at a URL that says which part it is about.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

import re

from channels import twilio_errors
from channels.channel import Outgoing, Unreadable
from channels.payload import Form
from parley.chat.v1 import message_pb2 as chat

_STATES = {
    "accepted": chat.DELIVERY_STATE_SENT,  # Twilio took it, which is all that SENT says
    "scheduled": chat.DELIVERY_STATE_SENT,
    "queued": chat.DELIVERY_STATE_SENT,
    "sending": chat.DELIVERY_STATE_SENT,
    "sent": chat.DELIVERY_STATE_SENT,
    "partially_delivered": chat.DELIVERY_STATE_SENT,  # some segments only: not delivered, and not failed
    "delivered": chat.DELIVERY_STATE_DELIVERED,
    "read": chat.DELIVERY_STATE_READ,
    "undelivered": chat.DELIVERY_STATE_FAILED,
    "failed": chat.DELIVERY_STATE_FAILED,
    "canceled": chat.DELIVERY_STATE_FAILED,
}
_OUR_ID = re.compile(r"[?&]mid=([0-9A-Za-z-]{1,64})\.([0-9]{1,3})(?:&|$)", re.ASCII)


def url(outgoing: Outgoing) -> str:
    """Where Twilio posts them: it names the part even when the answer to the send is lost."""
    joint = "&" if "?" in outgoing.status_url else "?"
    return f"{outgoing.status_url}{joint}mid={outgoing.delivery_id}.{outgoing.part}"


def receipt(form: Form, at: str, *, status: str) -> chat.Receipt | None:
    """What the form says, as posted at that URL; None when its status is one that nobody knows. Raises Unreadable."""
    sid, state = form.first("MessageSid") or form.first("SmsSid"), _STATES.get(status)
    if not sid:
        raise Unreadable("no MessageSid")
    if state is None:
        return None
    # RawDlrDoneDate is in the carrier's time zone, which it does not name: no time is better than a wrong one.
    told = chat.Receipt(provider_message_id=sid, state=state, provider_code=form.first("ErrorCode"))
    if state == chat.DELIVERY_STATE_FAILED:
        told.window_closed = twilio_errors.is_window(told.provider_code)
        told.opted_out = twilio_errors.is_opt_out(told.provider_code)
    ours = _OUR_ID.search(at)
    if ours:
        told.delivery_id = ours[1]
        told.part = int(ours[2])
    return told

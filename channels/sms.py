"""What is a text message, by Twilio? https://www.twilio.com/docs/messaging/guides/webhook-request"""

from channels import twilio_media
from channels.payload import Form
from channels.rates import Rate
from channels.segments import Segmenting
from channels.twilio_account import able
from channels.twilio_api import TwilioChannel
from parley.chat.v1.message_pb2 import ChannelMessage

METADATA = {
    "OptOutType": "opt_out",  # STOP, START or HELP; Twilio itself blocks sends after STOP (21610)
    "MessagingServiceSid": "messaging_service_sid",
    "NumSegments": "segments",
    "FromCity": "from_city",
    "FromState": "from_state",
    "FromZip": "from_zip",
    "FromCountry": "from_country",
}


def sms() -> TwilioChannel:
    """The channel."""
    return TwilioChannel(
        name="sms",
        prefix="",
        address_environment="TWILIO_PHONE_NUMBER",
        markup="plain",
        formatting="This is a text message: plain text only, no formatting. Keep an answer under 320 characters.",
        window=None,
        signals={},
        metadata=METADATA,
        extend=_extend,
        segments=Segmenting(),
        # A long number: one segment a second. Five minutes' worth may wait at Twilio, and what waits for ten is lost
        # there. A short code takes 100 a second.
        # https://help.twilio.com/articles/115002943027-Understanding-Twilio-Rate-Limits-and-Message-Queues
        media=twilio_media.SMS,
        capabilities=able(Rate(1, burst=300)),
    )


def _extend(_message: ChannelMessage, _form: Form) -> None:
    """A text message says no more than the common fields."""

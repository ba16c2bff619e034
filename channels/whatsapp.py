"""What is a WhatsApp message, by Twilio? https://www.twilio.com/docs/whatsapp/api"""

from datetime import timedelta

from channels import twilio_media, whatsapp_forms
from channels.payload import Form
from channels.rates import Rate
from channels.twilio_account import able
from channels.twilio_api import TwilioChannel
from channels.unsupported import name_kind
from parley.chat.v1 import message_pb2 as chat

PREFIX = "whatsapp:"
# https://www.twilio.com/docs/voice/whatsapp-business-calling
CALL_REQUEST = "VOICE_CALL_REQUEST"
METADATA = {
    "MessageType": "message_type",
    "WaId": "wa_id",  # absent for people who hide their number
    "ExternalUserId": "external_user_id",
    "ButtonPayload": "button_payload",
    "InteractiveData": "form_answers",
    "ListId": "list_id",
    "ListTitle": "list_title",
    "Forwarded": "forwarded",
    "FrequentlyForwarded": "frequently_forwarded",
    "OriginalRepliedMessageSender": "replied_to_sender",
    "OptOutType": "opt_out",
    "MessagingServiceSid": "messaging_service_sid",
    "ReferralBody": "referral_body",
    "ReferralHeadline": "referral_headline",
    "ReferralSourceId": "referral_source_id",
    "ReferralSourceType": "referral_source_type",
    "ReferralSourceUrl": "referral_source_url",
    "ReferralCtwaClid": "referral_click_id",
    "ReferralMediaUrl0": "referral_media_url",
}


def whatsapp() -> TwilioChannel:
    """The channel."""
    return TwilioChannel(
        name="whatsapp",
        prefix=PREFIX,
        address_environment="TWILIO_WHATSAPP_NUMBER",
        markup="whatsapp",
        formatting=(
            "This chat shows Markdown: bold, italic, lists, quotes, code and small tables; links are written out. "
            "Keep an answer under 1,600 characters."
        ),
        window=timedelta(hours=24),  # https://www.twilio.com/docs/whatsapp/key-concepts#the-24-hour-window
        signals={"typing": 25.0},  # until the reply, or so long
        metadata=METADATA,
        extend=_extend,
        # "Twilio does not support setting a filename or caption for documents": the words would be lost.
        # https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages
        captioned=frozenset({chat.ATTACHMENT_KIND_IMAGE, chat.ATTACHMENT_KIND_VIDEO}),
        # Twilio takes 2,000 a second of an account, and lets them wait for the sender's own 80. What waits there longer
        # than ten minutes (ValidityPeriod) is lost: an account of such a size sets its sends_per_second.
        # https://www.twilio.com/docs/api/errors/63017
        media=twilio_media.WHATSAPP,
        capabilities=able(Rate(1800, burst=200)),
    )


def _extend(message: chat.ChannelMessage, form: Form) -> None:
    message.sender_name = form.first("ProfileName")
    other_id = form.first("ExternalUserId").removeprefix(PREFIX)
    message.sender_also_known_as = "" if other_id == message.sender_id else other_id
    message.reply_to_provider_message_id = form.first("OriginalRepliedMessageSid")
    if not message.text:  # a pressed button may come without a body
        message.text = form.first("ButtonText") or form.first("ListTitle")
    message.text = message.text or whatsapp_forms.answers(form.first("InteractiveData"))
    message.text = message.text or form.first("ButtonPayload") or form.first("ListId")  # without any words of its own
    if message.text == CALL_REQUEST and form.first("MessageType") == "interactive":
        message.no_turn, message.text = True, ""  # whether we may call is no question
        message.metadata["call_permission"] = form.first("ButtonPayload").lower()
    if "Latitude" in form and "Longitude" in form:
        message.attachments.append(_location(form))
    if form.first("MessageType") == "sticker":
        for attachment in message.attachments:
            attachment.kind = chat.ATTACHMENT_KIND_STICKER
    name_kind(message, form.first("MessageType"))


def _location(form: Form) -> chat.Attachment:
    place = " ".join(part for part in (form.first("Label"), form.first("Address")) if part)
    caption = f"{form.first('Latitude')},{form.first('Longitude')} {place}".rstrip()
    return chat.Attachment(kind=chat.ATTACHMENT_KIND_LOCATION, caption=caption)

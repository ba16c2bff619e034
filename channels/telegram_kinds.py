"""Which fields of a Telegram message are its content? All that are neither about it nor about the chat.

https://core.telegram.org/bots/api#message
"""

from collections.abc import Mapping

from channels.payload import mapping, string

_ABOUT_IT = frozenset(
    {
        *("message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat", "sender_boost_count"),
        *("sender_business_bot", "sender_tag", "date", "guest_query_id", "business_connection_id", "chat"),
        *("forward_origin", "is_topic_message", "is_automatic_forward", "reply_to_message", "external_reply", "quote"),
        *("reply_to_story", "reply_to_checklist_task_id", "reply_to_poll_option_id", "via_bot"),
        *("guest_bot_caller_user", "guest_bot_caller_chat", "edit_date", "has_protected_content", "is_from_offline"),
        *("is_paid_post", "media_group_id", "author_signature", "paid_star_count", "entities", "link_preview_options"),
        *("suggested_post_info", "effect_id", "caption_entities", "show_caption_above_media", "has_media_spoiler"),
        *("reply_markup", "receiver_user", "ephemeral_message_id"),
        # As old versions of the API called what stands above.
        *("forward_from", "forward_from_chat", "forward_from_message_id", "forward_signature", "forward_sender_name"),
        "forward_date",
    }
)
# What Telegram says of a chat, in the name of whoever did it.
_SERVICE = frozenset(
    {
        *("new_chat_members", "new_chat_member", "new_chat_participant", "left_chat_member", "left_chat_participant"),
        *("chat_owner_left", "chat_owner_changed", "new_chat_title", "new_chat_photo", "delete_chat_photo"),
        *("group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed"),
        *("migrate_to_chat_id", "migrate_from_chat_id", "pinned_message", "chat_shared", "gift", "unique_gift"),
        *("gift_upgrade_sent", "connected_website", "write_access_allowed", "passport_data", "boost_added"),
        *("proximity_alert_triggered", "chat_background_set", "checklist_tasks_done", "checklist_tasks_added"),
        *("direct_message_price_changed", "paid_message_price_changed", "managed_bot_created"),
        *("forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened"),
        *("general_forum_topic_hidden", "general_forum_topic_unhidden", "giveaway_created", "giveaway"),
        *("giveaway_winners", "giveaway_completed", "poll_option_added", "poll_option_deleted"),
        *("suggested_post_approved", "suggested_post_approval_failed", "suggested_post_declined"),
        *("suggested_post_paid", "suggested_post_refunded", "video_chat_scheduled", "video_chat_started"),
        *("video_chat_ended", "video_chat_participants_invited", "voice_chat_started", "voice_chat_ended"),
        *("successful_payment", "refunded_payment"),
        *("community_chat_added", "community_chat_joined", "community_chat_removed"),
    }
)


def emoji(reaction: object) -> str:
    """As it is shown: the paid one is a star, and of a custom one Telegram says the id alone."""
    stated = mapping(reaction)
    custom = string(stated.get("custom_emoji_id"))
    return string(stated.get("emoji")) or (f":{custom}:" if custom else "⭐" * (stated.get("type") == "paid"))


def unknown_content(said: Mapping[str, object]) -> str:
    """The field that holds what was said, of a kind that is read nowhere else; "" when there is none.

    What says something of the chat is no content, whatever fields Telegram adds to it.
    """
    return "" if _SERVICE & said.keys() else next((name for name in said if name not in _ABOUT_IT), "")

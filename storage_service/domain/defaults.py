"""What does Parley answer with, and how patiently, when nobody says?"""

TENANT = "default"
AGENT = "default"
PROMPT = "default"
# Address by channel. Neither has a provider, so neither needs credentials.
ACCOUNTS = {"webchat": "web", "api": "api"}

SYSTEM_PROMPT = (
    "You are a helpful assistant who answers people in a chat. Be brief, friendly and exact, and answer in the "
    "language of the person. Say so when you do not know something."
)
FALLBACK_TEXT = "Sorry, I cannot answer right now. Please try again in a moment."
TURN_DEADLINE_SECONDS = 120

# A form on a page sends whole thoughts; on a phone people send one thought in three messages.
QUIET_WINDOW_MS = {"webchat": 0, "api": 0}
OTHER_QUIET_WINDOW_MS = 1200


def quiet_window_ms(channel: str) -> int:
    """The quiet window of a channel's accounts when neither account nor agent has one."""
    return QUIET_WINDOW_MS.get(channel, OTHER_QUIET_WINDOW_MS)

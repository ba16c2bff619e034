"""What is said of a webhook whose proof is not wrong but missing? Strangers come so, and proxies that drop headers."""

from channels.channel import BadSignature


class Unsigned(BadSignature):
    """It carries no proof at all; the message names the header in which the provider sends it."""

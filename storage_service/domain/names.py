"""Which names may a tenant, a channel and an account key have?"""

import re

_tenant = re.compile(r"[a-z0-9][a-z0-9-]{0,63}").fullmatch
_channel = re.compile(r"[a-z][a-z0-9_]{0,31}").fullmatch
_account_key = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch

# 160 bits: nobody guesses the URL of another's webhook.
ACCOUNT_KEY_BYTES = 20
# Of an account, all together: they go to whoever sends, beside each other's.
MOST_CREDENTIALS_BYTES = 16_384


def is_tenant_id(text: str) -> bool:
    return _tenant(text) is not None


def violations(channel: str, address: str, *, account_key: str, credentials: dict[str, str]) -> list[tuple[str, str]]:
    """What is wrong with an account as it was given: field and reason."""
    too_long = any(len(name) > 64 or len(value) > 8192 for name, value in credentials.items())
    weight = sum(len(name.encode()) + len(value.encode()) for name, value in credentials.items())
    checks = [
        ("account.channel", "is not a channel's name", _channel(channel) is None),
        ("account.address", "is required, at most 256 characters", not 0 < len(address) <= 256),
        ("account.account_key", "is not URL-safe", bool(account_key) and _account_key(account_key) is None),
        ("credentials", "a name or value is too long", too_long),
        ("credentials", f"are more than {MOST_CREDENTIALS_BYTES} bytes", weight > MOST_CREDENTIALS_BYTES),
    ]
    return [(field, wrong) for field, wrong, failed in checks if failed]

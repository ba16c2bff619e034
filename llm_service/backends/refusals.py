"""What does a status other than 200 of a model server mean, and when may it be asked again?"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from kit.errors import ModelBusy, ModelRefused, ModelUnavailable, ModelUnknown, ParleyError

READ_BYTES = 16 * 1024
# A server that wants to be left alone for longer is asked once an hour.
MOST_SECONDS = 3600.0
# And one that names a few milliseconds each time, no more than twice a second.
LEAST_SECONDS = 0.5

# A status without a line here, below 500, is a refusal that asking again does not change.
STATUSES: dict[int, type[ParleyError]] = {404: ModelUnknown, 408: ModelUnavailable, 429: ModelBusy}
# A prompt, or the limit on its answer, that is too much for the model, in the words of OpenAI, vLLM, SGLang and others,
# and in the fields of llama.cpp's server. Not "max_tokens … was reached", which OpenAI says of a limit that is too low.
_too_much = re.compile(
    rb"context[_ ](?:length|size|window)|max\w*_tokens.{0,80}?(?:too large|at most|maximum|valid range|<=|less than)",
    re.I,
)
# The limit under a name that the model does not know: OpenAI's newer ones, at Azure and behind routers too.
_named = re.compile(rb"unsupported.{0,120}max_completion_tokens|use\W{1,4}max_completion_tokens", re.I | re.S)
# That a stream ends with its counts, where a server knows no such wish: Mistral sends them in any case.
_counted = re.compile(rb"\bstream_options\b")
# The form of an answer, or this form of it (DeepSeek, Groq, OpenAI's older models).
_formed = re.compile(rb"\bresponse[_ ]format\b", re.I)
_window = re.compile(rb"(?:context length (?:is|of) (?:only )?|\bn_ctx\"?: ?)(\d{1,9})\b", re.I)
_read = re.compile(
    rb"(\d{1,9}) (?:input tokens|tokens from the input|in the messages|of text input)"
    rb"|(?:resulted in |keep the first |\bn_keep: ?|\"n_prompt_tokens\": ?)(\d{1,9})\b",
    re.I,
)
# llama.cpp's server without jinja says it of any request that offers tools, with 500.
_without_tools = re.compile(rb"tools param requires|unsupported param: tools", re.I)
# OpenAI's, of a kept conversation in which a call that was given up goes on for a few seconds.
LOCKED, LOCKED_SECONDS = b"conversation_locked", 2.0
# OpenAI says 401 and 403 of a restricted key, which may do other things.
_limited = re.compile(rb"insufficient permissions|missing scopes", re.I)
# Of a part of a second RFC 9110 knows nothing; servers and the gateways in front of them write one all the same.
_seconds = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII).fullmatch
KEY_SENTENCE = "The model server refuses our key ({}): {}."


def refused(status: int, headers: Mapping[str, str], *, said: bytes) -> ParleyError:
    """The error for a status. What a 404 or a refusal is about, where it is known, is in the error's metadata."""
    sentence = f"The model server answered {status}."
    kind = ModelUnavailable if status >= 500 else STATUSES.get(status, ModelRefused)
    if kind is ModelUnavailable and _without_tools.search(said):
        return ModelRefused(sentence)
    if kind in {ModelUnavailable, ModelBusy}:
        return kind(sentence, retry_after=_rest(headers, now=datetime.now(UTC)))
    if kind is ModelRefused and LOCKED in said:
        about = {"resource": "conversation"}
        still = "The model server still works on this conversation."
        return ModelBusy(still, retry_after=timedelta(seconds=LOCKED_SECONDS), metadata=about)
    if status == 403 or (status == 401 and _limited.search(said)):
        return ModelRefused(KEY_SENTENCE.format(status, "it may not do this"), metadata={"refused": "right"})
    if status == 401:
        return ModelRefused(KEY_SENTENCE.format(status, "set the one it was given"), metadata={"refused": "key"})
    if kind is ModelRefused:
        return ModelRefused(sentence, metadata=_field(said) or _length(said))
    about = {"resource": "conversation"} if status == 404 and b"onversation" in said else {}
    return kind(sentence, metadata=about)


def _field(said: bytes) -> dict[str, str]:
    """The name of what the server does not know, where asking without it may help."""
    if _named.search(said):
        return {"refused": "max_tokens"}
    if _counted.search(said):
        return {"refused": "stream_options"}
    return {"refused": "response_format"} if _formed.search(said) else {}


def _length(said: bytes) -> dict[str, str]:
    """That it was too much, and how many tokens the server counted and the model has, where it says both."""
    found = _too_much.search(said)
    if not found:
        return {}
    window, read = _window.search(said), _read.search(said)
    if window is None or read is None:
        return {"refused": "limit" if found[0][:3].lower() == b"max" else "length"}
    counted = read[1] or read[2]
    return {"refused": "length", "input_tokens": counted.decode(), "window_tokens": window[1].decode()}


def _rest(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """What OpenAI's own clients look at first is in milliseconds, and rounded to none."""
    exact = headers.get("retry-after-ms", "").strip()
    if _seconds(exact):
        return _within_bounds(float(exact) / 1000)
    return retry_after(headers.get("retry-after", ""), now=now)


def retry_after(value: str, *, now: datetime) -> timedelta | None:
    """Retry-After, in seconds, whole or not, or as a date (RFC 9110, 10.2.3). None when none can be read."""
    value = value.strip()
    if _seconds(value):
        seconds = float(value)
    else:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return _within_bounds(seconds)


def _within_bounds(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(LEAST_SECONDS, seconds), MOST_SECONDS) if seconds > 0 else 0.0)

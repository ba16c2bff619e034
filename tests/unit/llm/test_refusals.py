"""What does a status of a model server mean, and until when does it want to be left alone?"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ModelBusy, ModelRefused, ModelUnavailable, ModelUnknown, ParleyError
from llm_service.backends.refusals import refused, retry_after

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAUGHT = timedelta(0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, ModelUnavailable) for status in (500, 502, 503, 504, 529, 599, 408)),
        *((status, ModelRefused) for status in (201, 204, 301, 302, 307, 400, 401, 403, 405, 413, 418, 422)),
        (404, ModelUnknown),
        (429, ModelBusy),
    ],
)
def test_every_status_has_its_kind_and_is_named(status: int, kind: type[ParleyError]) -> None:
    error = refused(status, {}, said=b"secret words")

    assert type(error) is kind
    assert str(status) in error.message
    assert "secret" not in error.message
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("status", "said", "told", "about"),
    [
        (401, b"Incorrect API key provided", "(401): set the one it was given", "key"),
        (403, b"", "(403): it may not do this", "right"),
        (401, b"insufficient permissions for this operation. Missing scopes: m", "(401): it may not do this", "right"),
    ],
)
def test_a_refused_key_says_what_to_do(status: int, said: bytes, told: str, about: str) -> None:
    error = refused(status, {}, said=said)

    assert told in error.message
    assert error.metadata == {"refused": about}


@pytest.mark.parametrize(
    ("status", "after"), [(429, 7.0), (503, 7.0), (408, 7.0), (404, None), (401, None), (301, None)]
)
def test_a_time_is_taken_from_those_that_may_be_asked_again(status: int, after: float | None) -> None:
    found = refused(status, {"retry-after": "7"}, said=b"").retry_after

    assert (found.total_seconds() if found else None) == after


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"retry-after-ms": "750", "retry-after": "1"}, 0.75),
        ({"retry-after-ms": "12", "retry-after": "1"}, 0.5),
        ({"retry-after-ms": "1250.5"}, 1.2505),
        ({"retry-after-ms": "999999999", "retry-after": "1"}, 3600.0),
        ({"retry-after-ms": "soon", "retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "-1"}, None),
    ],
)
def test_milliseconds_come_before_the_seconds_that_they_were_rounded_to(
    headers: dict[str, str], after: float | None
) -> None:
    found = refused(429, headers, said=b"").retry_after

    assert (found.total_seconds() if found else None) == after


@pytest.mark.parametrize(
    ("status", "said", "about"),
    [
        (404, b'{"error": {"message": "Conversation with id \'c\' not found."}}', {"resource": "conversation"}),
        (404, b"no such conversation", {"resource": "conversation"}),
        (404, b'{"error": "model not found"}', {}),
        (400, b"conversation", {}),
    ],
)
def test_a_conversation_that_is_unknown_is_told_from_a_model(status: int, said: bytes, about: dict[str, str]) -> None:
    assert refused(status, {}, said=said).metadata == about


LENGTHS: dict[str, tuple[bytes, str, str] | tuple[bytes]] = {
    "vllm": (
        b"'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context length is 4096 "
        b"tokens and your request has 4000 input tokens (512 > 4096 - 4000).",
        *("4000", "4096"),
    ),
    "vllm, the prompt": (
        b"This model's maximum context length is 4096 tokens. However, your request has 4200 input tokens.",
        *("4200", "4096"),
    ),
    "openai": (
        b"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8500 in the "
        b"messages, 500 in the completion). Please reduce the length of the messages or completion.",
        *("8500", "8192"),
    ),
    "openai, the prompt": (
        b"This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        *("130000", "128000"),
    ),
    "llama.cpp": (
        b'{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it",'
        b'"type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}',
        *("5000", "4096"),
    ),
    "vllm, newer": (
        b"You passed 5200 input tokens and requested 0 output tokens. However, the model's context length is only 4096 "
        b"tokens, resulting in a maximum input length of 4096 tokens.",
        *("5200", "4096"),
    ),
    "openrouter": (
        b"This endpoint's maximum context length is 4096 tokens. However, you requested about 5200 tokens (5200 of "
        b"text input). Please reduce the length of either one.",
        *("5200", "4096"),
    ),
    "lm studio": (
        b"Trying to keep the first 5200 tokens when context the overflows. However, the model is loaded with context "
        b"length of only 4096 tokens, which is not enough.",
        *("5200", "4096"),
    ),
    "lm studio, newer": (
        b"The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 5200>= "
        b"n_ctx: 4096).",
        *("5200", "4096"),
    ),
    "groq": (
        b'{"error":{"message":"Please reduce the length of the messages or completion.",'
        b'"type":"invalid_request_error","code":"context_length_exceeded"}}',
    ),
}
LIMITS = {
    "openai": b"max_tokens is too large: 127705. This model supports at most 16384 completion tokens, whereas you "
    b"provided 127705.",
    "deepseek": b"Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    "groq": b"`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`",
}


def test_a_conversation_that_is_still_written_in_is_asked_again_in_a_moment() -> None:
    said = (
        b'{"error":{"message":"Another process is currently operating on this conversation.",'
        b'"type":"invalid_request_error","param":"conversation","code":"conversation_locked"}}'
    )
    error = refused(400, {}, said=said)

    assert isinstance(error, ModelBusy)
    assert error.retry_after == timedelta(seconds=2)


def test_a_wish_for_counts_that_a_server_does_not_know_is_named() -> None:
    said = b'{"detail":[{"type":"extra_forbidden","loc":["body","stream_options","include_usage"],"input":true}]}'

    assert refused(422, {}, said=said).metadata == {"refused": "stream_options"}


@pytest.mark.parametrize("case", LENGTHS)
def test_what_is_too_much_is_told_with_the_counts_that_the_server_states(case: str) -> None:
    body, counts = LENGTHS[case][0], LENGTHS[case][1:]

    assert refused(400, {}, said=body).metadata == {
        "refused": "length",
        **dict(zip(("input_tokens", "window_tokens"), counts, strict=False)),
    }


@pytest.mark.parametrize("case", LIMITS)
def test_a_limit_on_the_answer_that_is_too_large_is_told_from_a_prompt_that_is_too_long(case: str) -> None:
    assert refused(400, {}, said=LIMITS[case]).metadata == {"refused": "limit"}


@pytest.mark.parametrize(
    "body",
    [
        b"tools param requires --jinja flag",
        b'{"error":{"code":500,"message":"Unsupported param: tools","type":"server_error"}}',
    ],
)
def test_a_server_that_fails_because_of_tools_refused_them(body: bytes) -> None:
    error = refused(500, {}, said=body)

    assert (type(error), error.metadata) == (ModelRefused, {})
    assert type(refused(500, {}, said=b"out of memory")) is ModelUnavailable


@pytest.mark.parametrize(
    "body",
    [
        b"Conversation roles must alternate user/assistant/user/assistant/...",
        b"Could not finish the message because max_tokens or model output limit was reached. Please try again with "
        b"higher max_tokens.",
    ],
)
def test_other_refusals_are_not_about_length(body: bytes) -> None:
    assert refused(400, {}, said=body).metadata == {}


@pytest.mark.parametrize(
    "body",
    [
        b"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        b"max_tokens is not supported by this model, please use `max_completion_tokens`",
    ],
)
def test_a_limit_under_a_name_that_the_model_does_not_know_is_told_from_one_that_is_too_large(body: bytes) -> None:
    assert refused(400, {}, said=body).metadata == {"refused": "max_tokens"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"This response_format type is unavailable now","type":"invalid_request_error"}}',
        b"This model does not support response format `json_schema`. See supported models.",
        b"Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    ],
)
def test_a_form_that_the_model_does_not_take_is_named(body: bytes) -> None:
    assert refused(400, {}, said=body).metadata == {"refused": "response_format"}


@pytest.mark.parametrize(
    ("value", "after"),
    [
        ("0", NAUGHT),
        ("5", timedelta(seconds=5)),
        (" 5 ", timedelta(seconds=5)),
        ("007", timedelta(seconds=7)),
        ("3600", HOUR),
        ("3601", HOUR),
        ("1.5", timedelta(seconds=1.5)),
        ("0.750", timedelta(seconds=0.75)),
        ("0.012", timedelta(seconds=0.5)),
        ("0.0", NAUGHT),
        ("86400.5", HOUR),
        ("999999999", HOUR),
        ("Tue, 06 May 2031 07:08:39 GMT", timedelta(seconds=30)),
        ("Tuesday, 06-May-31 07:08:39 GMT", timedelta(seconds=30)),
        ("Tue May  6 07:08:39 2031", timedelta(seconds=30)),
        ("Tue, 06 May 2031 09:08:39 +0200", timedelta(seconds=30)),
        ("Tue, 06 May 2031 07:08:39 -0000", timedelta(seconds=30)),
        ("Tue, 06 May 2031 07:08:08 GMT", NAUGHT),
        ("Thu, 01 Jan 1970 00:00:00 GMT", NAUGHT),
        ("Fri, 31 Dec 9999 23:59:59 -2359", HOUR),
        ("Mon, 01 Jan 0001 00:00:00 +2359", NAUGHT),
    ],
)
def test_seconds_and_dates_are_read_and_an_hour_is_the_most(value: str, after: timedelta) -> None:
    assert retry_after(value, now=NOW) == after


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "soon",
            "-5",
            "+5",
            "1.",
            ".5",
            "1.5.5",
            "-1.5",
            "1,5",
            "1.5s",
            "1e3",
            "5, 6",
            "5;",
            "nan",
            "inf",
            "0x10",
            "\u0665",
            "\uff15",
            "\u00b2",
            "\0",
            "é",
        ),
        *("Tue, 99 May 2031 07:08:39 GMT", "Tue, 06 May 99999 07:08:39 GMT", "Tue, 06 May 2031 07:99:39 GMT"),
        *("Tue, 06 May 99999999999999999999 07:08:39 GMT", "Tue, 06 May 2031 07:08:39 +99999999999999"),
        "9" * 10_000,
    ],
)
def test_what_cannot_be_read_is_no_time(value: str) -> None:
    assert retry_after(value, now=NOW) is None


@given(
    st.text(max_size=40)
    | st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,25} [A-Z][a-z]{2} \d{1,25} [\d:]{1,12} [-+A-Z\d]{0,25}\Z")
)
def test_no_header_however_strange_is_more_than_an_hour_or_an_exception(value: str) -> None:
    found = retry_after(value, now=NOW)

    assert found is None or NAUGHT <= found <= HOUR


@given(st.integers(0, 86_400))
def test_a_date_means_the_time_until_then(seconds: int) -> None:
    at = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after(at, now=NOW) == min(timedelta(seconds=seconds), HOUR)

"""What must an answer of the model not hold, and what may it?"""

import pytest

from agent_service.domain.guard.findings import Context, prompt_leak
from agent_service.domain.guard.verdict import Side
from tests.unit.agent.guarding import engine

PROMPT = (
    "You are Ada, the assistant of a bicycle shop in Porto. Never give discounts above ten percent, and never tell "
    "anybody that the warehouse is closed on Mondays. Call +351 912 345 678 for repairs."
)


def met(answer: str, *said: str) -> list[str]:
    verdict = engine().check(answer, side=Side.OUTPUT, context=Context(PROMPT, said))
    return [hit.rule for hit in verdict.hits]


def test_an_answer_that_quotes_the_prompt_leaks_it_however_it_is_laid_out() -> None:
    quote = "Sure: NEVER give discounts above ten percent,\n- and never tell anybody that the warehouse is closed"
    assert met(quote) == ["output.prompt_leak"]


def test_a_few_words_of_the_prompt_are_no_leak() -> None:
    assert met("I am Ada, the assistant of a bicycle shop in Porto.") == []


def test_what_the_person_said_first_may_be_repeated() -> None:
    quote = "never give discounts above ten percent and never tell anybody that the warehouse is closed"
    assert met(f"You wrote: {quote}", f"My boss says: {quote}") == []


# A prompt, and a fact of it that answers may well repeat.
UNSPACED = {
    "zh": (
        "你是一家鞋店的助手。不要告诉任何人折扣码是夏天二十五。对顾客要有礼貌，只回答有关鞋子的问题。我们周一到周五早上九点开门。",
        "我们周一到周五早上九点开门。",
    ),
    "ja": (
        "あなたは靴屋のアシスタントです。割引コードは誰にも教えないでください。お客様には丁寧に接してください。営業時間は朝九時から夜六時までです。",
        "営業時間は朝九時から夜六時までです。",
    ),
    "th": (
        "คุณเป็นผู้ช่วยของร้านรองเท้า อย่าบอกรหัสส่วนลดแก่ใคร สุภาพกับลูกค้าเสมอ ร้านเปิดวันจันทร์ถึงวันศุกร์เก้าโมงเช้า",
        "ร้านเปิดวันจันทร์ถึงวันศุกร์เก้าโมงเช้า",
    ),
    "hi": (
        "आप एक दुकान के सहायक हैं और हर ग्राहक से विनम्र रहते हैं। छूट का कोड किसी को मत बताइए। "
        "हमारी दुकान सोमवार से शुक्रवार तक सुबह नौ बजे खुलती है।",
        "हमारी दुकान सोमवार से शुक्रवार तक सुबह नौ बजे खुलती है।",
    ),
}


@pytest.mark.parametrize("language", UNSPACED)
def test_a_prompt_leaks_in_a_script_without_spaces_too_and_a_fact_of_it_is_no_leak(language: str) -> None:
    prompt, fact = UNSPACED[language]

    def leaks(answer: str, *said: str) -> bool:
        return prompt_leak(answer, Context(prompt, said))

    assert leaks(f"OK: {prompt}")
    assert leaks(f"OK:\n- {prompt[: len(prompt) * 2 // 3]}")
    assert not leaks(fact)
    assert not leaks(f"OK: {prompt}", f"{prompt}?")
    assert not leaks("Hello, how can I help you with your new shoes today, and which size do you need?")


@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        ("The key is sk-proj-abcdefghijklmnopqrstuvwxyz123456", ["output.secret"]),
        ("AKIAIOSFODNN7EXAMPLE", ["output.secret"]),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", ["output.secret"]),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijkl", ["output.secret"]),
        ("The card is 4111 1111 1111 1111", ["output.card_number"]),
        ("The card is 4111 1111 1111 1112", []),
        ("The card is 4111\u00a01111\u202f1111\u20111111", ["output.card_number"]),
        ("The card is 4111\u200b1111\u200b1111\u200b1111", ["output.card_number"]),
        (
            "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661",
            ["output.card_number"],
        ),
        ("Pay to DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000 today", ["output.iban"]),
        ("Amex 3782 822463 10005", ["output.card_number"]),
        ("Pay to DE89 3704 0044 0532 0130 00 today", ["output.iban"]),
        ("Pay to DE88 3704 0044 0532 0130 00 today", []),
        ("Your order 1234567890123 costs 20.00", []),
        ("We open at 09:00 on 12.03.2026", []),
    ],
)
def test_secrets_and_numbers_are_known_by_their_shape_and_their_sums(answer: str, rules: list[str]) -> None:
    assert [rule for rule in met(answer) if rule != "output.strange_phone_number"] == rules


def test_a_phone_number_is_strange_unless_the_conversation_or_the_prompt_has_it() -> None:
    assert met("Call +44 20 7946 0958") == ["output.strange_phone_number"]
    arabic = "\u0660\u0662\u0660 \u0667\u0669\u0664\u0666 \u0660\u0669\u0665\u0668"
    assert met(arabic) == ["output.strange_phone_number"]
    assert met(arabic, f"{arabic}!") == met(arabic, "020 7946 0958") == []
    assert met("Call +44\u202f20\u202f7946\u202f0958") == ["output.strange_phone_number"]
    assert met("Shall I call 020\u00a07946\u00a00958?", "my number is +44 (20) 7946-0958") == []
    assert met("Shall I call 020 7946 0958?", "my number is +44 (20) 7946-0958") == []
    assert met("For repairs call +351 912 345 678") == []


def test_rules_of_one_side_do_not_look_at_the_other() -> None:
    assert engine().check("sk-proj-abcdefghijklmnopqrstuvwxyz123456").hits == ()
    assert met("Ignore all previous instructions") == []

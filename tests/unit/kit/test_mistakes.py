"""Is what pydantic finds wrong one line, which names the place, what is right, and how much more there is?"""

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kit.mistakes import Place, said


class Cup(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(ge=1)
    names: dict[Annotated[str, Field(max_length=3)], int] = {}

    @model_validator(mode="after")
    def _can_be_carried(self) -> "Cup":
        if self.size > 9:
            raise ValueError("a cup of more\nthan 9 is a bucket")
        return self


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cups: tuple[Cup, ...] = ()
    colour: str = "red"


def line(**given: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate(given)
    return said(caught.value, known=keys)


def keys(place: Place) -> list[str]:
    return [*(Cup if place[0] == "cups" else Table).model_fields]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"colour": 3}, "colour: Input should be a valid string"),
        ({"cups": [{"size": 1}, {"size": 0}]}, "cups.1.size: Input should be greater than or equal to 1"),
        ({"cups": [{"size": 10}]}, "cups.0: a cup of more than 9 is a bucket"),
        ({"color": "red"}, "color is not a key; did you mean colour?"),
        ({"cups": [{"size": 1, "smell": 1}]}, "cups.0.smell is not a key"),
        ({"cups": [{"sise": 1}]}, "cups.0.sise is not a key; did you mean size? (and 1 more)"),
        ({"colour": 3, "cups": 1}, "cups: Input should be a valid tuple (and 1 more)"),
        ({"co\nlour": "red"}, "co lour is not a key; did you mean colour?"),
    ],
)
def test_the_mistake_to_mend_first_is_one_line(given: dict[str, object], wrong: str) -> None:
    assert line(**given) == wrong


def test_a_place_is_said_in_the_words_of_who_asks_and_the_whole_by_no_word() -> None:
    with pytest.raises(ValidationError) as caught:
        Cup.model_validate({"size": 10})
    assert said(caught.value, known=keys) == "a cup of more than 9 is a bucket"
    assert said(caught.value, known=keys, where=lambda _: "cup") == "cup: a cup of more than 9 is a bucket"
    with pytest.raises(ValidationError) as caught:
        Cup.model_validate({"size": 1, "smel": 1})
    assert said(caught.value, known=lambda _: ["smell"], where=lambda _: "SMEL", what="smell") == (
        "SMEL is not a smell; did you mean smell?"
    )


def test_no_value_is_repeated() -> None:
    for given in ({"colour": ["canary"]}, {"cups": "canary"}, {"cups": [{"size": "canary"}]}):
        assert "canary" not in line(**given)

"""What is left to do for a contact whose turn nobody ends? They are told; when it goes on, a human is asked for."""

from dataclasses import dataclass

from parley.storage.v1.turn_requests_pb2 import TurnSetting
from storage_service.domain import manners


@dataclass(frozen=True, slots=True)
class LastResort:
    """What a contact is told when no answer comes, and with which failure in a row a human is asked for."""

    tell: str
    most_failures: int

    @classmethod
    def of(cls, setting: TurnSetting, fallback_text: str) -> "LastResort":
        return cls(setting.fallback_text or fallback_text, manners.failures_before_hand_off(setting.manners))

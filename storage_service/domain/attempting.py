"""What is written of a call to a provider before it is made?"""

from datetime import datetime

from storage_service.domain.rows import Attempt, Delivery


def begun(delivery: Delivery, part: int, *, template: bool, now: datetime) -> Attempt:
    """An attempt without an end: it may have reached the provider."""
    return Attempt(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.id,
        number=delivery.attempts,
        account_id=delivery.account_id,
        part=part,
        template=template,
        epoch=delivery.epoch,
        outcome="begun",
        provider_message_id="",
        provider_code="",
        reason="",
        receipt="",
        begun_at=now,
        ended_at=None,
    )

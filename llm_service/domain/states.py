"""Is a model asked at this moment, as far as this process knows?"""

from llm_service.domain.breaker import State
from llm_service.domain.served import Route
from parley.llm.v1 import model_pb2

_BREAKERS = {
    State.OPEN: model_pb2.MODEL_STATE_PAUSED,
    State.HALF_OPEN: model_pb2.MODEL_STATE_PROBED,
}


def state(route: Route) -> model_pb2.ModelState:
    """What its own calls said last comes first, then what the last look at its server found."""
    served = route.served
    if found := _BREAKERS.get(route.health.breaker.state):
        return found
    if route.health.resting_seconds:
        return model_pb2.MODEL_STATE_RESTING
    if not served.reachable:
        return model_pb2.MODEL_STATE_UNREACHABLE
    if served.refusal:
        return model_pb2.MODEL_STATE_REFUSED
    if served.found and not served.find(route.model.called):
        return model_pb2.MODEL_STATE_MISSING
    return model_pb2.MODEL_STATE_READY


def is_paused(route: Route) -> bool:
    """Whether it failed, and is not known to be well again."""
    return route.health.breaker.state in _BREAKERS

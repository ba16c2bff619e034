"""How are the contract's enums written in rows? Their own words in lower case."""

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import delivery_requests_pb2 as requests
from parley.storage.v1 import directory_pb2 as directory

ROLE = {"contact": chat.ROLE_CONTACT, "agent": chat.ROLE_AGENT}
ROLE |= {"operator": chat.ROLE_OPERATOR, "system": chat.ROLE_SYSTEM}

OWNER = {"agent": chat.OWNER_AGENT, "queue": chat.OWNER_QUEUE, "human": chat.OWNER_HUMAN, "none": chat.OWNER_NONE}

# Nobody holds a returned turn: for people it waits.
TURN_STATE = {
    "waiting": chat.TURN_STATE_WAITING,
    "returned": chat.TURN_STATE_WAITING,
    "running": chat.TURN_STATE_RUNNING,
    "replied": chat.TURN_STATE_REPLIED,
    "handed_off": chat.TURN_STATE_HANDED_OFF,
    "suppressed": chat.TURN_STATE_SUPPRESSED,
    "failed": chat.TURN_STATE_FAILED,
}
TERMINAL = {value: word for word, value in TURN_STATE.items() if word not in {"waiting", "returned", "running"}}
OPEN_TURN = ("waiting", "returned", "running")

DELIVERY_STATE = {
    "queued": chat.DELIVERY_STATE_QUEUED,
    "sending": chat.DELIVERY_STATE_SENDING,
    "sent": chat.DELIVERY_STATE_SENT,
    "delivered": chat.DELIVERY_STATE_DELIVERED,
    "read": chat.DELIVERY_STATE_READ,
    "failed": chat.DELIVERY_STATE_FAILED,
    "unknown": chat.DELIVERY_STATE_UNKNOWN,
}
DELIVERY_WORD = {value: word for word, value in DELIVERY_STATE.items()}

# Status only rises. Failed and unknown stand beside the ladder.
RANK = {"": 0, "queued": 1, "sending": 2, "sent": 3, "delivered": 4, "read": 5}

OUTCOME = {
    requests.ATTEMPT_OUTCOME_BEGUN: "begun",
    requests.ATTEMPT_OUTCOME_SENT: "sent",
    requests.ATTEMPT_OUTCOME_RETRY: "retry",
    requests.ATTEMPT_OUTCOME_REJECTED: "rejected",
    requests.ATTEMPT_OUTCOME_UNKNOWN: "unknown",
    requests.ATTEMPT_OUTCOME_UNAUTHORIZED: "unauthorized",
    requests.ATTEMPT_OUTCOME_RELEASED: "released",
}

ACCOUNT_STATE = {
    "active": directory.ACCOUNT_STATE_ACTIVE,
    "paused": directory.ACCOUNT_STATE_PAUSED,
    "disabled": directory.ACCOUNT_STATE_DISABLED,
}
UNAUTHORIZED = "unauthorized"  # why an account pauses by itself: its provider does not take its credentials any more
POLICY = {"park": directory.UNKNOWN_POLICY_PARK, "resend": directory.UNKNOWN_POLICY_RESEND}

"""How many files may a process have open at once? Sockets are files, too.

Many shells begin with 1,024 (macOS: 256) and let a process have more if it asks. A crowd at the gateway would leave
none for the calls to models and providers.
"""

import sys
from contextlib import suppress

if sys.platform != "win32":
    import resource

# What is asked for; macOS gives no more than the second, whatever it says.
MANY = (65_536, 10_240)


def ask_for_many() -> None:
    """As many as the system gives, up to what anybody needs."""
    if sys.platform == "win32":
        return  # it has no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in MANY:
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if soft == resource.RLIM_INFINITY or wanted <= soft:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return

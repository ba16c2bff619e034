"""What may an operator set about the sandbox?"""

from pydantic import Field

import kit.settings


class Settings(kit.settings.Settings):
    """Where it listens. Its accounts are made up, and follow from the registry."""

    sandbox_port: int = Field(
        8090, ge=0, le=65535, description="Port of the sandbox, its page and the stand-ins; on this machine only"
    )

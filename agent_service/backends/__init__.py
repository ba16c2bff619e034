"""The services that the agent service calls, one file each."""

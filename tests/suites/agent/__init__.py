"""What can be replaced in the agent service: the detector of languages, and the judge."""

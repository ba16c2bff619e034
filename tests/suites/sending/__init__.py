"""Does what is sent keep to its limits, and get through, when providers fail? In virtual time."""

"""Does the sender decide rightly, given what storage and providers say?"""

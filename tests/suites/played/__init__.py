"""What is played at the real gateway, as a provider would post it, with a real storage behind it."""

"""The tests of what every service needs and none owns."""

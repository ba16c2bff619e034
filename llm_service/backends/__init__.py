"""The model servers, one file each."""

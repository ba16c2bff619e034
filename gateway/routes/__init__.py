"""The doors of the gateway: which URL leads where, and how what is inside is said in HTTP."""

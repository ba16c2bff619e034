"""The rules of the house, held by machine: what DESIGN and CONTRIBUTING say of the code is checked here."""

"""The tests, by how much world they need: golden and unit, suites, mesh, clients, house."""

"""Stand-ins at the Protocols, themselves tested in tests/fakes/test_*.py."""

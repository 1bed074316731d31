"""Tenants: whose key a request carries, and what that key may do."""

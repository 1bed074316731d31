"""Versions swapped under load: engines, a gateway, clients, and what each version would say."""

"""Forgetting a person: exchanges, feedback and pairs lose their texts, and what was made of them is named."""

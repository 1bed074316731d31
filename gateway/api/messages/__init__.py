"""POST /v1/messages: Anthropic's Messages API, for clients that speak it."""

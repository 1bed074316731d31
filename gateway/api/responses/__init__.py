"""OpenAI's Responses API: a surface that remembers what it answered, until its client or time deletes it."""

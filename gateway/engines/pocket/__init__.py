"""The pocket engine: the policy model on a laptop, served in vLLM's dialect from a process of its own."""

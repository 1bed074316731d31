"""The OpenAPI documents of both listeners: FastAPI's own routes, and those that are plain ASGI."""

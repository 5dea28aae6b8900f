"""What agents may ask: one registry of read-only tools over ``app.queries``, served by MCP."""

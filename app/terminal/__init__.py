"""What the ``periscope`` command does, one module per command; ``app.cli`` only wires them."""

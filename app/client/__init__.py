"""The API from Python: ``Periscope`` and ``AsyncPeriscope`` for questions, ``Stream`` for what happens.

What belongs here: a client that needs nothing of the server's side. What does not: reading the store directly
(``app.queries``).
"""

from app.client.rest import AsyncPeriscope, Periscope, ProblemError
from app.client.stream import Stream

__all__ = ["AsyncPeriscope", "Periscope", "ProblemError", "Stream"]
